# shellcheck shell=sh
# relion-dispatch for sh, bash, ksh and zsh:  . @PREFIX@/share/relion-dispatch.sh
case :$PATH: in
    *:@PREFIX@/bin:*) ;;
    *) export PATH="@PREFIX@/bin:$PATH" ;;
esac
# Manual pages: behind the last colon are the system's own.
case :${MANPATH:-}: in
    *:@PREFIX@/share/man:*) ;;
    *) export MANPATH="@PREFIX@/share/man:${MANPATH:-}" ;;
esac
# Completion, for those who type.
# shellcheck source=/dev/null
case $-:${BASH_VERSION:-}:${ZSH_VERSION:-} in
    *i*:[4-9]*:) . "@PREFIX@/share/bash-completion/completions/relion-dispatch" ;;
    *i*::?*)
        case :$FPATH: in
            *:@PREFIX@/share/zsh/site-functions:*) ;;
            *) FPATH="@PREFIX@/share/zsh/site-functions:$FPATH" ;;
        esac
        # Where compinit has run already, it looks at FPATH no more.
        ! command -v compdef > /dev/null ||
            { autoload -Uz _relion-dispatch && compdef _relion-dispatch relion-dispatch; }
        ;;
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
