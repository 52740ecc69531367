# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

run_commands() {
    begin_guard # again: the guard is its own process, and now sees what the steps before have set
    know_container
    commands
}

# Runs the program in the background, so that the script acts on a signal at once, not after RELION's last
# iteration. Options that bind a folder which a node lacks are left out (binds.sh).
run() { # PROGRAM ARGUMENTS…
    local -; set +eu +o pipefail # these are the caller's
    local word
    ! aborted || exit 1
    dispatch_at=$((dispatch_at + 1))
    [ "$dispatch_at" -gt "$dispatch_done" ] || return 0 # in an earlier run
    count_runs_before
    [ -z "$dispatch_from" ] || set -- "${dispatch_continuation[@]}"
    dispatch_from=''
    for word in "$@"; do
        shift
        is_left_out "$word" || set -- "$@" "$word"
    done
    "$@" &
    dispatch_command=$!
    while kill -0 "$dispatch_command" 2>/dev/null; do wait "$dispatch_command"; done # a trap interrupts it
    wait "$dispatch_command"
    dispatch_status=$?
    dispatch_command=
    # Not all of RELION's programs notice that a disk is full: then their files are cut short.
    if [ "$dispatch_status" -eq 0 ] && { program_said_end FAILURE || ! probe "$dispatch_kept" >/dev/null; }; then
        dispatch_status=1
        relion_waits || remove_name "$dispatch_folder/PIPELINER_JOB_EXIT_SUCCESS"
    fi
    if [ "$dispatch_status" -ne 0 ]; then
        learn_why_cut 0
        give_up_if_idle
        exit "$dispatch_status"
    fi
    dispatch_done=$dispatch_at
    note_in_lease "done" "$dispatch_done"
}

heed_signals() {
    local signal
    dispatch_script_began=$(process_began $$)
    trap finish EXIT
    trap 'stop 15' TERM
    trap 'stop 2' INT
    trap 'stop 1' HUP
    trap 'stop 10' USR1
    trap 'stop 12' USR2
    trap 'dispatch_overdue=$dispatch_abort_grace; stop 15' RTMIN+1 # the guard: the time that an abort gives is over
    trap 'stop 12' RTMIN+2                                         # the guard: the job was submitted again
    trap 'dispatch_lost_lease=yes; stop 12' RTMIN+3                # lease.sh: the job's folder cannot be reached
    for signal in $(warning_signals); do
        # shellcheck disable=SC2064 # the signal of now
        trap "! announces_end $signal || stop 15" "$signal"
    done
}

# From now on only KILL ends this process.
heed_no_signals() { trap '' TERM INT HUP USR1 USR2 RTMIN+1 RTMIN+2 RTMIN+3; }

# The scheduler may send KILL soon, so RELION is told first.
stop() { # SIGNAL
    local -; set +eu +o pipefail # these are the caller's
    heed_no_signals
    dispatch_status=$((128 + $1))
    dispatch_facts="stopped by signal $1"$'\n'
    learn_why_cut "$1"
    [ -n "$dispatch_cut" ] || tell_relion
    if [ -n "$dispatch_command" ] && kill -TERM "$dispatch_command" 2>/dev/null; then
        for _ in {1..30}; do
            kill -0 "$dispatch_command" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$dispatch_command" 2>/dev/null
        wait "$dispatch_command" 2>/dev/null
    fi
    give_up_if_idle
    if [ "$1" -eq 15 ] && time_limit_reached; then
        dispatch_facts="stopped at the time limit"$'\n'
    fi
    exit "$dispatch_status"
}

# Where the scheduler kills a job at its time limit without a warning: the seconds after which the job stops by itself,
# the warning before the limit, or half of the limit if that is more. Nothing if the scheduler warns, or has no limit.
stops_after() {
    local limit
    [ -n "${dispatch_own_warning:-}" ] || return 0
    limit=$(time_limit)
    limit=${limit:-$dispatch_time_limit}
    [ -z "$limit" ] || echo $((limit > 2 * dispatch_own_warning ? limit - dispatch_own_warning : limit / 2))
}

# Runs beside the commands. If the user aborts the job, the guard tells RELION's programs, and stops the job
# after a grace time. It also stops the job if RELION was told meanwhile that the job failed, or if the job
# was submitted again, and before a time limit at which the scheduler would kill it. If this script is killed, the guard
# tells RELION.
guard() {
    local asked=0 failed=0 stops
    trap - EXIT
    heed_no_signals
    exec 8<> <(:) # nothing is ever read here: a pause without a process
    stops=$(stops_after)
    while [ "$(process_began $$)" = "$dispatch_script_began" ]; do
        if wants_abort || [ "$asked" -ne 0 ]; then
            [ "$asked" -ne 0 ] || pass_abort_on
            [ "$asked" -lt "$dispatch_abort_grace" ] || kill -RTMIN+1 $$ 2>/dev/null
            asked=$((asked + 2))
        fi
        ! overtaken || kill -RTMIN+2 $$ 2>/dev/null
        [ -z "$stops" ] || [ "$SECONDS" -lt "$stops" ] || kill -TERM $$ 2>/dev/null
        if end_is_told FAILURE; then
            [ "$failed" -lt "$dispatch_abort_grace" ] || kill -TERM $$ 2>/dev/null
            failed=$((failed + 2))
        fi
        read -rt 2 -u 8
    done
    # A scheduler that kills the script, and starts it again, also kills this.
    ! may_have_runs || { end_processes 2>/dev/null; read -rt 10 -u 8; }
    dispatch_status=137
    dispatch_facts="the job script was killed"$'\n'
    dispatch_guard=
    finish
}

# RELION's programs look into the control folder, and the Pipeliner's job runner into the job's.
pass_abort_on() {
    touch "$dispatch_kept/RELION_JOB_ABORT_NOW"
    relion_waits || new_file "$dispatch_folder/PIPELINER_JOB_ABORT_NOW" </dev/null
}

begin_guard() {
    local -; set +eu +o pipefail # these are the caller's
    end_guard
    guard &
    dispatch_guard=$!
    disown "$dispatch_guard" # or bash would report its end
}

end_guard() { end_child "$dispatch_guard"; }

end_child() { # PROCESS; if it is still that process
    [ -z "$1" ] || [ "$(ps -o ppid= -p "$1" | tr -d ' ')" != $$ ] || kill -KILL "$1" 2>/dev/null
}
