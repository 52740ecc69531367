# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# The folders of the host that the container sees beside the project. dispatch_binds has three texts for each
# that the site names: the folder, Apptainer's option that binds it, and the key that names it.

# Apptainer does not start if a folder is missing. So folders that a node of the job lacks are left out, on all
# of its nodes, because ranks must not see different folders.
look_at_binds() {
    local at node folder folders=()
    dispatch_left_out=()
    for ((at = 0; at < ${#dispatch_binds[@]}; at += 3)); do
        folders+=("${dispatch_binds[at]}")
    done
    while read -r node at; do
        folder=${dispatch_binds[at * 3]}
        dispatch_left_out+=("${dispatch_binds[at * 3 + 1]}")
        echo "relion-dispatch: The container does not see $folder, because this folder is not on $node: if RELION needs the folder, tell your admin (${dispatch_binds[at * 3 + 2]} names it)." >&2
    done < <(on_each_node missing_folders "${folders[@]}")
}

# Prints the node and the position, from 0, of each folder that this node lacks.
missing_folders() { # FOLDERS…
    local at=0 folder
    for folder in "$@"; do
        [ -e "$folder" ] || echo "$(uname -n) $at"
        at=$((at + 1))
    done
}

is_left_out() { # WORD
    local word
    for word in "${dispatch_left_out[@]}"; do
        [ "$word" != "$1" ] || return 0
    done
    return 1
}

# The words that start the container, if the job script has them once: as the array dispatch_container. They
# depend on what the nodes have settled, and are without the folders that a node lacks.
know_container() {
    local at
    declare -F dispatch_know_container >/dev/null || return 0
    dispatch_know_container
    for at in "${!dispatch_container[@]}"; do
        ! is_left_out "${dispatch_container[at]}" || unset "dispatch_container[at]"
    done
}

# The options with which the container sees a folder at its own path, a line each. If a link is in that path, and
# the container sees the link, then it must see the folder where the link leads as well: of a place that it
# cannot reach Apptainer says nothing, and goes on without the folder. Nothing is bound below /dev: the container
# has the node's own, or (with --contain) one of its own in which Apptainer can bind nothing.
mount_options() { # FOLDER
    local own real
    own=$(realpath -ms -- "$1")
    real=$(realpath -e -- "$1" 2>/dev/null) || real=$own
    [[ $own == /dev/* ]] || mount_option "$1"
    [[ $real == "$own" || $real == /dev/* ]] || mount_option "$real"
}

# Apptainer's option that binds a folder at its own path. The option is a line of CSV.
mount_option() { # FOLDER
    local field word=--mount=type=bind
    [[ $1 == /* ]] || set -- "$PWD/$1"
    for field in "source=$1" "destination=$1"; do
        [[ $field != *[,\"$'\r\n']* ]] || field="\"${field//\"/\"\"}\""
        word+=,$field
    done
    echo "$word"
}
