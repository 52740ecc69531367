# shellcheck shell=sh
# relion-dispatch for sh, bash, ksh and zsh:  . @PREFIX@/share/relion-dispatch.sh
case :$PATH: in
    *:@PREFIX@/bin:*) ;;
    *) export PATH="@PREFIX@/bin:$PATH" ;;
esac
export RELION_QSUB_COMMAND="@PREFIX@/bin/relion_dispatch.py"
export RELION_QSUB_TEMPLATE="@PREFIX@/share/relion_template.sh"
export RELION_QUEUE_USE=Yes
