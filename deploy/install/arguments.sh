# shellcheck shell=bash disable=SC2034,SC2154
# What install.sh is asked to do.
# Part of deploy/install.sh, which sources it: variables come from there, and go there.

read_arguments() {
    prefix='' form='' wanted_python='' wheels='' image='' base='' site_file='' action=install
    import_options=()
    local install_options=()
    while [[ $# -gt 0 ]]; do
        case $1 in
            --prefix | --python | --wheels | --image | --base | --from | --images)
                [[ $# -ge 2 && -n $2 ]] || { usage >&2; exit 2; }
                local path=$2
                case $1=$2 in
                    --prefix=* | --python=* | --base=docker) ;;
                    *) path=$(existing "$2") ;;
                esac
                case $1 in
                    --prefix) prefix=$path ;;
                    --python) wanted_python=$path ;;
                    --wheels) wheels=$path ;;
                    --image) image=$path ;;
                    --base) base=$path ;;
                    --from) site_file=$path ;;
                    --images) import_options+=(--images "$path") ;;
                esac
                [[ $1 == --prefix ]] || install_options+=("$1")
                shift 2
                ;;
            --venv | --appliance)
                [[ -z $form || $form == "${1#--}" ]] || fail "give --venv or --appliance, not both."
                form=${1#--}
                install_options+=("$1")
                shift
                ;;
            --build)
                import_options+=(--build)
                install_options+=("$1")
                shift
                ;;
            --rollback | --prune)
                [[ $action == install || $action == "${1#--}" ]] ||
                    fail "give --rollback or --prune, not both."
                action=${1#--}
                shift
                ;;
            -h | --help) usage; exit 0 ;;
            *) say "unknown argument: $1"; usage >&2; exit 2 ;;
        esac
    done
    [[ -n $prefix ]] || { usage >&2; exit 2; }
    [[ $action == install || ${#install_options[@]} -eq 0 ]] ||
        fail "--$action installs nothing: leave out ${install_options[*]}, or run --$action by itself."
    [[ -n $site_file || ${#import_options[@]} -eq 0 ]] || fail "--images and --build need --from."
    [[ -z $image$base || $form != venv ]] || fail "--image and --base need --appliance."
    [[ -z $image || -z $base ]] || fail "--base is for an image that is built here: give --base or --image, not both."
    [[ -z $image$base ]] || form=appliance
    [[ -z $wheels$wanted_python || $form != appliance ]] || fail "--wheels and --python need --venv."
    [[ -z $wheels$wanted_python ]] || form=venv
    [[ $prefix == /* ]] || prefix=$PWD/$prefix
    while [[ $prefix == ?*/ ]]; do prefix=${prefix%/}; done
    # RELION hands its queue command to a shell; csh, Lua and Tcl read the path as well, and env, to
    # which a word with = is no command.
    [[ $prefix =~ ^[A-Za-z0-9_./+@%,-]+$ ]] ||
        fail "$prefix cannot be the prefix: RELION's queue command must not contain blanks, quotes, = or" \
            "other special characters; choose another path."
}

existing() { # PATH
    [[ -e $1 ]] || fail "$1 does not exist."
    (cd "$(dirname "$1")" && echo "$PWD/$(basename "$1")")
}
