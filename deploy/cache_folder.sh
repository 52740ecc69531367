#!/usr/bin/env bash
# cache_folder.sh
# Prints the caller's own cache folder, which is made if it is missing. What lies there is run (Python
# environments, images), so nobody else may be able to put or exchange anything there.
set -euo pipefail
case ${1:-} in -h | --help) sed -n '/^set /q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

base=${XDG_CACHE_HOME:-$HOME/.cache}
folder=$base/relion-dispatch

fail() {
    echo "cache_folder.sh: $*: set XDG_CACHE_HOME to a folder that only you can write, and try again" >&2
    exit 1
}

# Whether somebody else may rename what lies in FOLDER. Many users have a group of their own.
others_may_exchange() { # FOLDER
    local mode group
    read -r mode group < <(stat -Lc '%a %G' "$1")
    if ((8#$mode & 8#1000)); then return 1; fi
    ((8#$mode & 8#002)) || { ((8#$mode & 8#020)) && [[ $group != "$(id -un)" ]]; }
}

(umask 077 && mkdir -p "$folder") || fail "the cache folder $folder cannot be made"
[[ ! -L $folder && -O $folder ]] ||
    fail "the cache folder $folder is not yours, and what lies there would be run"
! others_may_exchange "$base" || fail "others may exchange what lies in $base, and it would be run"
! others_may_exchange "$folder" || fail "others may exchange what lies in $folder, and it would be run"
echo "$folder"
