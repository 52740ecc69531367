# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# The words that start the container, if the job script has them once: as the array dispatch_container. They may
# depend on what the nodes have settled.
know_container() {
    ! declare -F container >/dev/null || container
}

# The image must be the file that was chosen, on each node.
look_at_images() {
    if ! dispatch_reason=$(on_each_node look_at_image "$dispatch_image" "$dispatch_image_state"); then
        dispatch_reason=${dispatch_reason%%$'\n'*}
        exit 1
    fi
}

# Says what is wrong with an image on this node, by its size and the id in its header.
look_at_image() { # FILE STATE
    local found
    if [ ! -e "$1" ]; then
        echo "The image $1 does not exist on $(uname -n): ask your admin to put the file back, and submit the job again."
        return 1
    fi
    found="$(stat -Lc %s "$1") $(od -An -tx1 -j48 -N16 "$1" | tr -d ' \n')"
    [ "$found" = "$2" ] && return
    echo "The image $1 on $(uname -n) is not the file that was chosen (size and SIF id $found instead of" \
        "$2): ask your admin to put the right file there, and submit the job again."
    return 1
}
