# shellcheck shell=bash

# Options of bash that whoever submits has set, and variables that change how bash reads a script or what other programs
# print. (bash obeys some before it reads a script: those are kept from it at submission.)
forget_shell_settings() {
    local option
    for option in ${SHELLOPTS//:/ }; do
        case $option in braceexpand | hashall | interactive-comments) ;; *) set +o "$option" ;; esac
    done
    for option in ${BASHOPTS//:/ }; do
        case $option in
        nocase* | nullglob | failglob | dotglob | extglob | globstar | lastpipe | xpg_echo | execfail | inherit_errexit | \
            cd* | autocd | expand_aliases | extdebug | compat* | localvar_* | varredir_close) shopt -u "$option" ;;
        esac
    done
    unset BASH_ENV ENV BASH_COMPAT POSIXLY_CORRECT CDPATH GLOBIGNORE EXECIGNORE IFS TMOUT FUNCNEST GREP_OPTIONS \
        PS_FORMAT PS_PERSONALITY
    [ -d "${TMPDIR:-/tmp}" ] || unset TMPDIR # of a job in which this one was submitted
}
