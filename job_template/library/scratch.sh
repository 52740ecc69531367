# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# RELION makes the same folder, relion_volatile, in every --scratch_dir, so that two jobs on a node would
# empty each other's folder. So this job has its own folder there, and removes it however it ends.
prepare_scratch() {
    local status=0
    [ -n "$dispatch_scratch_for_all" ] ||
        fail "The job could not begin, because the scratch folder in RELION's window has no name on $dispatch_host: name another folder there, or tell your admin."
    on_each_node remove_dead_scratch "$dispatch_scratch_for_all"
    # The name is in the environment of these, not among their arguments, which all users see.
    on_each_node make_scratch "$dispatch_host $$ $dispatch_script_began $(words_of_job)" || status=$?
    [ "$status" -ne 77 ] ||
        fail "The job could not begin, because other users can enter the folders that a job makes in $dispatch_scratch_for_all on $dispatch_host: name another folder in RELION's window, or tell your admin."
    [ "$status" -eq 0 ] ||
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

# Makes the job's folder $dispatch_scratch, which this user alone may use. Nobody else knows the name before, so a folder
# that is there is of another node of this job. The status is 77 if other users can enter the folder.
make_scratch() { # OWNER
    local mode
    umask 077
    mkdir -p "$dispatch_scratch_for_all" || return
    mkdir -m 700 "$dispatch_scratch" 2>/dev/null # a disk's default ACL overrides the umask
    open_scratch "$dispatch_scratch" || return
    mode=$(stat -Lc %a "$dispatch_opened")
    if [ "${mode: -3}" != 700 ]; then
        rmdir "$dispatch_scratch"
        return 77
    fi
    printf '%s\n' "$1" "token $dispatch_token" "run ${dispatch_run:-1}" >"$dispatch_opened/owner" && return
    rm -f "$dispatch_opened/owner" # the disk is full
    rmdir "$dispatch_scratch"
    return 1
}

# Opens a folder as make_scratch makes them, whose files no other user has changed. Version 0.2.0 named them by the token.
open_scratch() { # FOLDER
    [[ ${1##*/} =~ ^relion-dispatch\.([0-9a-f]{12}|[0-9a-f]{16})$ && ! -L $1 ]] || return 1
    open_folder "${1%/*}" "${1##*/}" || return 1
    [ $((0$(stat -Lc %a "$dispatch_opened") & 022)) -eq 0 ]
}

# Removes the folder that open_scratch has opened. Its file `owner` goes last: what is left of a folder is still known.
empty_scratch() { # FOLDER
    find "$dispatch_opened/" -mindepth 1 ! -path "$dispatch_opened/owner" -delete
    rm -f "$dispatch_opened/owner"
    rmdir "$1"
}

# Removes this job's folders on a node, by the token that is in them. Whoever may write on the disk can give the name
# of a job's folder to another folder of this user's, so a name says nothing. A run of whose node nobody heard may end
# beside a later one, whose folder stays.
remove_scratch() {
    local folder run
    for folder in "$dispatch_scratch_for_all"/relion-dispatch.*; do
        { open_scratch "$folder" && grep -qsx "token $dispatch_token" "$dispatch_opened/owner"; } || continue
        run=$(sed -n 's/^run //p' "$dispatch_opened/owner")
        [ "${run:-1}" -gt "${dispatch_run:-1}" ] || empty_scratch "$folder"
    done
}

# Removes folders of this user's jobs that no longer run, for example after a power cut. The file `owner` in
# each says host, process and its start time, and the words by which the scheduler knows the job. An empty folder
# is of a job that was killed, unless the job has made it just now.
remove_dead_scratch() { # FOLDER
    local folder host process began job
    for folder in "$1"/relion-dispatch.*; do
        open_scratch "$folder" || continue
        if [ ! -s "$dispatch_opened/owner" ]; then
            [ -z "$(find "$dispatch_opened/" -maxdepth 0 -empty -mmin +60)" ] || rmdir "$folder"
            continue
        fi
        read -r host process began job <"$dispatch_opened/owner"
        if [ "$host" = "$(uname -n)" ]; then
            [ "$(process_began "$process")" != "$began" ] || continue
        elif [ -z "$job" ]; then
            continue # its process cannot be seen from here
        fi
        # shellcheck disable=SC2086 # words
        [ -z "$job" ] || ! may_have_job $job || continue
        empty_scratch "$folder"
    done
}
