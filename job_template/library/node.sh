# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# What must be in order on each node before anything starts: the image, the folders that the container sees,
# and room for scratch data.
prepare_nodes() {
    local -; set +eu +o pipefail # these are the caller's
    name_unset_variables
    [ -z "$dispatch_image" ] || look_at_images
    [ "${#dispatch_binds[@]}" -eq 0 ] || look_at_binds
    [ -z "$dispatch_uses_scratch" ] || prepare_scratch
    [ -z "${dispatch_users_scratch:-}" ] || prepare_users_scratch
}

# Names variables of the commands that are not set here. The job fails if the scratch folder is named after one, as
# nobody would know the folder, or if its name begins with empty ones, as the folder would be at the root of the file
# system. What else a variable is for only RELION's user knows.
name_unset_variables() {
    local name begins=''
    for name in "${dispatch_scratch_variables[@]}"; do
        [ -n "${!name+set}" ] || refuse_scratch_variable "$name" not set
    done
    for name in "${dispatch_scratch_begins[@]}"; do
        begins+=${!name}
    done
    [ "${#dispatch_scratch_begins[@]}" -eq 0 ] || [ -n "$begins" ] || refuse_scratch_variable "$name" empty
    for name in "${dispatch_variables[@]}"; do
        [ -n "${!name+set}" ] ||
            echo "relion-dispatch: $name is not set on $dispatch_host, so nothing stands in its place in RELION's command: if that is wrong, write a value in RELION's window." >&2
    done
}

refuse_scratch_variable() { # NAME IS…
    fail "The job could not begin, because $1 is ${*:2} on $dispatch_host, and the scratch folder in RELION's window is named after this variable: name another folder there, or tell your admin."
}

# Runs a function once on each node of the job.
on_each_node() { # FUNCTION ARGUMENTS…
    if [ "$dispatch_nodes" -eq 1 ]; then
        ("$@")
        return
    fi
    local dispatch_each_node=()
    words_for_each_node
    # shellcheck disable=SC2016 # for the bash that is started there, which gets the functions
    dispatch_functions=$(functions_for_a_node) timeout 60 "${dispatch_each_node[@]}" \
        bash -c 'eval "$dispatch_functions"; unset dispatch_functions; "$@"' bash "$@" </dev/null
}

# The library for a bash on another node, without functions that may be long and are not needed there, and with the
# settings that are needed there.
functions_for_a_node() {
    unset -f known_endings program_said commands reasons dispatch_know_container dispatch_epilogue
    declare -f
    declare -p dispatch_gpu_tool dispatch_gpu_lists dispatch_container dispatch_job dispatch_folder_number \
        dispatch_scratch_for_all dispatch_scratch dispatch_token dispatch_run 2>/dev/null || :
}

# Start time of a process, to detect that its number was used again; empty if the process has ended.
process_began() { # PID
    local fields
    { read -r fields <"/proc/$1/stat"; } 2>/dev/null || return 0
    read -ra fields <<<"${fields##*) }"
    [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}
