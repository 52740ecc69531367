# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# A node that its scheduler calls lost may still compute. So a run of a job that goes on renews a lease, a file in the
# job's folder, and ends its programs where it cannot. The next run waits until the lease is gone, or old. Clocks of nodes
# differ: a lease is as old as the file system says, which gives all files their times.

# Seconds between two renewals; seconds without one after which a run ends its programs, and the next run begins (the
# last as LEASE_OVER of jobs/last_seen.py).
know_lease_times() { : "${dispatch_lease_renewed:=30}" "${dispatch_lease_lost:=90}" "${dispatch_lease_over:=120}"; }

# The lease also says what the next run needs to know of this one, should this one be lost.
begin_lease() {
    local lease
    may_have_runs || return 0
    know_lease_times
    lease=$(lease_of "$dispatch_run")
    rm -f "$lease"
    {
        run_value token "$dispatch_token"
        run_value run "$dispatch_run"
        run_value started "$dispatch_started"
        run_value host "$dispatch_host"
        run_value scheduler_job_id "$dispatch_scheduler_job"
        run_value process "$$ $dispatch_script_began $(this_place)"
        run_value ranks "${dispatch_ranks:-}"
        run_value "done" "$dispatch_done"
        run_value began_with "$dispatch_began_with"
        run_value idle_before "$dispatch_idle_before"
        values_of_limits
    } | new_file "$lease" || fail "$(why_not_written)"
    ! overtaken || exit 0 # the next run has seen no lease, and does not wait
    keep_lease &
    dispatch_lease_keeper=$!
    disown "$dispatch_lease_keeper"
}

# Where the numbers of processes hold.
this_place() { echo "$dispatch_host $(readlink /proc/self/ns/pid)"; }

# Adds to what the lease says.
note_in_lease() { # KEY VALUE
    ! may_have_runs || ! open_file "$(lease_of "$dispatch_run")" || run_value "$1" "$2" >>"$dispatch_opened"
}

# Runs beside the script. What it asks of the file system, another process does, because a file system may not answer.
# Of a jump of the clock, as of a job that was suspended, little counts: the claim of a next run tells what it missed.
keep_lease() {
    local now=0 last=$SECONDS renewed=0 asked=0 writer='' passed
    trap - EXIT
    heed_no_signals
    exec 8<> <(:) # nothing is ever read here: a pause without a process
    while [ "$(process_began $$)" = "$dispatch_script_began" ]; do
        passed=$((SECONDS - last)) last=$SECONDS
        now=$((now + (passed < 0 ? 2 : passed > 10 ? 10 : passed)))
        if [ -n "$writer" ] && ! kill -0 "$writer" 2>/dev/null; then
            ! wait "$writer" || renewed=$asked
            writer=''
        fi
        if [ -z "$writer" ] && [ $((now - asked)) -ge "$dispatch_lease_renewed" ]; then
            asked=$now
            renew_lease &
            writer=$!
        fi
        if [ $((now - renewed)) -ge "$dispatch_lease_lost" ] && survives lost_node; then
            kill -RTMIN+3 $$
            read -rt 5 -u 8 # a script that can ends the programs itself, and knows why they end
            end_processes 2>/dev/null
            return
        fi
        read -rt 2 -u 8
    done
}

renew_lease() {
    local lease
    lease=$(lease_of "$dispatch_run")
    [ -e "$lease" ] && ! next_run_has_begun && touch -c "$lease" # the guard, which looks as well, may be gone
} 2>/dev/null

# From now on the next run may begin.
end_lease() {
    may_have_runs || return 0
    end_child "${dispatch_lease_keeper:-}"
    # Programs that this script could not end may still run.
    [ -n "$dispatch_session" ] || [ -z "$dispatch_cut" ] || return 0
    rm -f "$(lease_of "$dispatch_run")"
}

# Waits until a run before this one has ended its programs, which it does when it sees this one's claim.
await_end_of() { # NUMBER
    local lease
    lease=$(lease_of "$1")
    lease_is_over "$lease" ||
        echo "relion-dispatch: Run $dispatch_run of the job begins as soon as its run $1 has ended, or was silent for $dispatch_lease_over s."
    until lease_is_over "$lease"; do
        ! aborted || abort_before_start
        ! overtaken || exit 0
        sleep 2
    done
}

# A script whose process is gone from this machine has ended; the guard needs some seconds to end its programs.
lease_is_over() { # LEASE
    local age process began place
    know_lease_times
    ls "$dispatch_folder/" >/dev/null # makes a network file system look again
    [ -e "$1" ] || return 0
    age=$(age_of "$1")
    [ "$age" -lt "$dispatch_lease_over" ] || return 0
    read -r process began place < <(value_in "$1" process)
    [ "$age" -ge 15 ] && [[ $process =~ ^[0-9]+$ ]] && [ "$place" = "$(this_place)" ] && [ "$(process_began "$process")" != "$began" ]
}

# How many seconds ago a file was changed, by the clock of its file system.
age_of() { # FILE
    local now changed clock=$dispatch_folder/.dispatch_clock.$dispatch_token.$dispatch_run
    rm -f "$clock"
    new_file "$clock" </dev/null
    now=$(stat -c %Y "$clock" 2>/dev/null || date +%s)
    rm -f "$clock"
    changed=$(stat -c %Y "$1" 2>/dev/null) || changed=0
    echo $((now - changed))
}
