# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# RELION makes the same folder, relion_volatile, in every --scratch_dir, so that two jobs on a node would
# empty each other's folder. So this job has its own folder there, and removes it however it ends.
prepare_scratch() {
    [ -n "$dispatch_scratch_for_all" ] ||
        fail "The job could not begin, because the scratch folder in RELION's window has no name on $dispatch_host: name another folder there, or tell your admin."
    on_each_node remove_dead_scratch "$dispatch_scratch_for_all"
    on_each_node make_scratch "$dispatch_scratch" "$dispatch_host $$ $dispatch_script_began $(words_of_job)" ||
        fail "The job could not begin, because the scratch folder $dispatch_scratch_for_all on $dispatch_host cannot be written: name another folder in RELION's window, or tell your admin."
    see_scratch "$dispatch_scratch"
}

# A folder that stays when the job ends, because RELION's user has data there, or wants to have them there. It is
# made beforehand, because only a folder that exists can be bound into the container.
prepare_users_scratch() {
    on_each_node mkdir -p "$dispatch_users_scratch" ||
        fail "The job could not begin, because the scratch folder $dispatch_users_scratch on $dispatch_host cannot be made: name another folder in RELION's window, or tell your admin."
    see_scratch "$dispatch_users_scratch"
}

# Settles the options with which the container sees the scratch folder: those that all nodes have.
see_scratch() { # FOLDER
    mapfile -t dispatch_scratch_mounts < <(
        on_each_node mount_options "$1" | awk -v nodes="$dispatch_nodes" '++seen[$0] == nodes'
    )
    [ "${#dispatch_scratch_mounts[@]}" -ne 0 ] || mapfile -tn 1 dispatch_scratch_mounts < <(mount_options "$1")
}

# Removes folders of this user's jobs that no longer run, for example after a power cut. The file `owner` in
# each says host, process and its start time, and the words by which the scheduler knows the job.
remove_dead_scratch() { # FOLDER
    local folder host process began job
    cd "$1" 2>/dev/null || return 0
    for folder in relion-dispatch.*; do
        [[ -O $folder && ! -L $folder && -s $folder/owner ]] || continue
        read -r host process began job <"$folder/owner"
        if [ "$host" = "$(uname -n)" ]; then
            [ "$(process_began "$process")" != "$began" ] || continue
        elif [ -z "$job" ]; then
            continue # its process cannot be seen from here
        fi
        # shellcheck disable=SC2086 # words
        [ -z "$job" ] || ! may_have_job $job || continue
        rm -rf "$folder"
    done
}

make_scratch() { # FOLDER OWNER
    umask 077
    mkdir -p "$1" && echo "$2" >"$1/owner"
}

remove_scratch() { # FOLDER
    rm -rf "$1"
}
