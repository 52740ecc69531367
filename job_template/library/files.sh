# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# Others may write in a project's folders too. They can put a link, a pipe, or a second name of another file at any
# name there. So a folder is opened once, and its files are reached through the descriptor, wherever its path leads
# later; a file is looked at before it is changed; and nothing waits for the other end of a pipe.

# Opens the job's folder: from now on it is $dispatch_folder. On another node, the folder must be the one that the
# script has opened.
enter_job() {
    local found
    dispatch_folder=/dev/null
    { exec {found}<"$dispatch_job/."; } 2>/dev/null || return 1
    if [ "${dispatch_folder_number:-}" ] && [ "$(stat -Lc %i "/proc/self/fd/$found")" != "$dispatch_folder_number" ]; then
        exec {found}<&-
        return 1
    fi
    dispatch_folder=/proc/self/fd/$found
}

# Opens a folder that this user has made in PARENT, and sets dispatch_opened. What a link leads to is not in PARENT.
open_folder() { # PARENT NAME
    local found
    { exec {found}<"$1/$2/."; } 2>/dev/null || return 1
    dispatch_opened=/proc/self/fd/$found
    [ -O "$dispatch_opened/." ] && [ "$dispatch_opened/.." -ef "$1/." ] && return 0
    exec {found}<&-
    return 1
}

# What a regular file holds, at most 4 MiB of it; of anything else nothing.
read_file() { # FILE
    dd if="$1" iflag=nofollow,nonblock,fullblock bs=4M count=1 status=none 2>/dev/null
}

# Makes a file of what it reads, unless anything has that name.
new_file() { # FILE
    dd of="$1" conv=excl status=none 2>/dev/null
}

# Opens a regular file of one name, for reading and writing, and sets dispatch_opened. Any other name of a file may be
# anywhere. Opening is not writing: a link that is put there at this moment is seen afterwards.
open_file() { # FILE
    local found kept
    [ -f "$1" ] && [ ! -L "$1" ] && { exec {found}<>"$1"; } 2>/dev/null || return 1
    dispatch_opened=/proc/self/fd/$found
    kept=$(stat -Lc %f:%h:%d:%i "$dispatch_opened")
    [[ $kept == 8???:1:* && $kept == "$(stat -c %f:%h:%d:%i "$1")" ]] && return 0
    exec {found}<&-
    return 1
}

# The same for a text that the job writes: it is made if it is missing, and what is no file of one name is renamed to
# the first free FILE.1, FILE.2, ..., so that nothing is lost.
open_text() { # FILE
    local number=1
    new_file "$1" </dev/null
    open_file "$1" && return
    [[ $(stat -c %f:%h "$1") != 8???:1 ]] || return
    while [ -e "$1.$number" ] || [ -L "$1.$number" ]; do number=$((number + 1)); done
    mv -nT "$1" "$1.$number" 2>/dev/null && new_file "$1" </dev/null && open_file "$1"
}

# Removes a file, a link or an empty folder. Others may have given the name to a folder of this user's that is not empty.
remove_name() { # PATH
    rm -f "$1" || rmdir "$1"
} 2>/dev/null

# Opens the folder for RELION's control files, in which no other user may write, as $dispatch_kept.
open_control() {
    dispatch_kept=/dev/null
    open_folder "$dispatch_folder" "${dispatch_control##*/}" && dispatch_kept=$dispatch_opened
}

# Removes such a folder with what a job has in it, and nothing else.
remove_control() { # NAME
    if open_folder "$dispatch_folder" "$1"; then
        rm -f "$dispatch_opened"/{ending,reserve} "$dispatch_opened"/RELION_* "$dispatch_opened"/*_optimiser.star
    fi
    remove_name "$dispatch_folder/$1"
} 2>/dev/null
