# shellcheck shell=sh
# relion-dispatch for sh, bash, ksh and zsh:  . @PREFIX@/share/relion-dispatch.sh
case :$PATH: in
    *:@PREFIX@/bin:*) ;;
    *) export PATH="@PREFIX@/bin:$PATH" ;;
esac
export RELION_QSUB_COMMAND="@PREFIX@/bin/relion_dispatch.py"
export RELION_QSUB_TEMPLATE="@PREFIX@/share/relion_template.sh"
export RELION_QUEUE_USE=Yes
# The fields of RELION's window, which follow from site.json: `relion-dispatch site environment`
relion_dispatch_site=${RELION_DISPATCH_SITE:-@PREFIX@/etc/relion-dispatch}
[ -d "$relion_dispatch_site" ] || relion_dispatch_site=/etc/relion-dispatch
if [ -r "$relion_dispatch_site/window/window.sh" ]; then
    # shellcheck source=/dev/null
    . "$relion_dispatch_site/window/window.sh"
fi
unset relion_dispatch_site
