# shellcheck shell=bash disable=SC2034,SC2154
# Whom an installation is for, and what of it is closed to them.
# Part of deploy/install.sh, which sources it: variables come from there, and go there.

# Sets users to those who can enter the prefix: "everybody", the number of a group, or nothing for its owner
# alone, with the folder that is closed to others in closed_prefix.
find_users() {
    local folder=$prefix
    while [[ ! -e $folder ]]; do folder=$(dirname "$folder"); done
    users=everybody
    closed_prefix=$(first_closed enter "$folder") || return 0
    users=$(stat -Lc %g "$closed_prefix")
    ! first_closed enter "$folder" > /dev/null || users=
}

# Prints the first folder or file that is closed to these users, on the way to any of the paths; fails if
# there is none. Who does the asking, root or an owner, sees no such limits. dispatcher/host/reach.py gives the
# same answers where Python is at hand.
first_closed() { # enter, read or start, PATH...
    local use=$1 path step written real
    local -A seen=()
    [[ -n $users ]] || return 1
    for path in "${@:2}"; do
        while IFS= read -r step; do
            [[ -z ${seen[$step]-} ]] || continue
            seen[$step]=yes
            may "${step%%:*}" "${step#*:}" || { echo "${step#*:}"; return; }
        done < <(
            written=$(realpath -ms -- "$path") real=$(realpath -m -- "$path")
            steps "${written%/*}"
            steps "${real%/*}"
            echo "$use:$real"
        )
    done
    return 1
}

steps() { # FOLDER    prints the folders that lead to it, from the top, and the folder
    [[ -z $1 ]] || steps "${1%/*}"
    echo "enter:${1:-/}"
}

# An access list tells that somebody has thought of who may use the file.
may() { # enter, read or start, PATH
    local mode group needs
    [[ -e $2 ]] || return 0
    read -r mode group < <(stat -Lc '%a %g' "$2")
    mode=$((0$mode))
    case $1 in
        enter) needs=1 ;;
        read) if [[ -d $2 ]]; then needs=5; else needs=4; fi ;; # a folder's files are looked up as well
        start) if is_script "$2"; then needs=5; else needs=1; fi ;;
    esac
    (((mode & needs) == needs)) || { [[ $users == "$group" ]] && (((mode >> 3 & needs) == needs)); } ||
        [[ $(ls -ldL -- "$2") == ??????????+* ]]
}

# A script is read by its interpreter, which the user starts.
is_script() { [[ -f $1 && $(head -c 2 -- "$1" 2> /dev/null | tr -d '\0') == "#!" ]]; } # PATH

mode_of() { stat -Lc %a "$1"; }
