# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What a job has brought up to now, and whether its last runs have brought nothing new.

# What the job has brought up to now, as a number that grows: commands that have ended well, then iterations or outputs.
reached() {
    local number=0
    case ${dispatch_way:-} in
    refine) number=$(iteration_in "$(newest_iteration)") ;;
    unfinished) number=$(outputs | wc -l) ;;
    esac
    echo $((dispatch_done * 1000000 + ${number:-0}))
}

# How many runs in a row have brought nothing new, the one that began with so much included.
idle_runs() { # BEGAN-WITH IDLE-BEFORE WHAT-ENDED-THE-LAST
    if [ "$(reached)" -gt "$1" ]; then
        echo 0
    elif is_full_memory "$3"; then
        echo "$2" # the next one is not the same again
    else
        echo $(($2 + 1))
    fi
}

# Counts what the runs before have brought, and ends the job if the last ones have brought nothing.
count_runs_before() {
    [ -z "${dispatch_counted:-}" ] || return 0
    dispatch_counted=yes
    [ "$dispatch_run" -gt 1 ] || return 0
    dispatch_idle_before=$(idle_runs "$dispatch_began_with" "$dispatch_idle_before" "${dispatch_why_before:-}")
    dispatch_began_with=$(reached)
    note_in_lease began_with "$dispatch_began_with"
    note_in_lease idle_before "$dispatch_idle_before"
    [ "$dispatch_idle_before" -lt "$dispatch_gives_up_after" ] || fail "$(why_given_up "$dispatch_idle_before")"
}

# Once the programs have ended, which may not wait until many files are read: whether the run has brought anything. A run
# that was cut before its first program could bring nothing.
give_up_if_idle() {
    local idle
    [ -n "$dispatch_cut" ] && [ -n "${dispatch_counted:-}" ] || return 0
    idle=$(idle_runs "$dispatch_began_with" "$dispatch_idle_before" "$dispatch_cut")
    [ "$idle" -ge "$dispatch_gives_up_after" ] || return 0
    dispatch_cut='' dispatch_reason=$(why_given_up "$idle")
}

why_given_up() { # RUNS
    local brought="a new iteration"
    [ "${dispatch_way:-}" != unfinished ] || brought="a new output"
    echo "The job does not go on, because its last $1 runs ended without $brought: ask your admin to raise \"time\" of the job type if the time limit is too short for one, and continue the job in RELION."
}
