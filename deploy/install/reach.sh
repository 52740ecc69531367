# shellcheck shell=bash disable=SC2034,SC2154
# Whom an installation is for, and what of it is closed to them.
# Part of deploy/install.sh, which sources it: variables come from there, and go there.

# Sets users to those who can enter the prefix: "everybody", the number of a group, or nothing for its owner
# alone, with the folder that is closed to others in closed_prefix.
find_users() {
    local folder=$prefix
    while [[ ! -e $folder ]]; do folder=$(dirname "$folder"); done
    users=everybody
    closed_prefix=$(first_closed "$folder") || return 0
    users=$(stat -Lc %g "$closed_prefix")
    ! first_closed "$folder" > /dev/null || users=
}

# Prints the first folder or file that is closed to these users, on the way to any of the paths; fails if
# there is none. Who does the asking, root or an owner, sees no such limits.
first_closed() { # PATH...
    local path step
    [[ -n $users ]] || return 1
    while IFS= read -r step; do
        may_use "$step" || { echo "$step"; return; }
    done < <(for path in "$@"; do
        path=$(realpath -ms -- "$path")
        steps "${path%/*}"
        steps "$(realpath -m -- "$path")"
    done | awk '!seen[$0]++')
    return 1
}

steps() { # PATH    prints the folders that lead to it, from the top, and the path
    [[ ${1%/*} == "" ]] || steps "${1%/*}"
    [[ -z $1 ]] || echo "$1"
}

# A folder is entered, a file is read, and started if its owner can do so. An access list tells that somebody
# has thought of who may use the file.
may_use() { # PATH
    local mode group needs=4
    [[ -e $1 ]] || return 0
    read -r mode group < <(stat -Lc '%a %g' "$1")
    mode=$((0$mode))
    ((mode & 0100)) && needs=5
    [[ ! -d $1 ]] || needs=1
    (((mode & needs) == needs)) || { [[ $users == "$group" ]] && (((mode >> 3 & needs) == needs)); } ||
        [[ $(ls -ldL -- "$1") == ??????????+* ]]
}

mode_of() { stat -Lc %a "$1"; }
