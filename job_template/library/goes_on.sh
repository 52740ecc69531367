# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# Whether a job goes on after a run was cut. runs.sh says what a run is, from_where.sh from where the next one goes on.

# Why a job that could go on does not: a sentence for run.err, as why_given_up.
why_no_more() {
    echo "The job does not go on, because it has gone on $dispatch_goes_on_at_most times, which is the most that the site allows: continue the job in RELION, or ask your admin to raise \"at_most\" of \"goes_on\"."
}

# Why this run is cut, if the job goes on after it: sets dispatch_cut. If it could go on but does not, dispatch_reason.
learn_why_cut() { # SIGNAL; 0 if a program has failed
    local why=lost_node
    # A program may have filled a memory just before a signal.
    ! is_full_memory "${dispatch_cut:-}" || { forget_more_memory; dispatch_cut=''; }
    may_have_runs && [ -z "$dispatch_reason" ] && ! wants_abort && ! relion_was_told && ! overtaken || return 0
    [ -n "${dispatch_lost_lease:-}" ] || why=$(why_it_ends "$1")
    if [ -z "$why" ] && [ "$1" -eq 0 ]; then
        go_on_with_less
        return 0
    fi
    { [ -n "$why" ] && survives "$why"; } || return 0
    if [ "$dispatch_run" -gt "$dispatch_goes_on_at_most" ]; then
        dispatch_reason=$(why_no_more)
    else
        dispatch_cut=$why
    fi
}

# What cut a run, in words.
cut_in_words() { # WHAT
    case $1 in
    time_limit) echo "reached its time limit" ;;
    preemption) echo "gave way to a job of higher priority" ;;
    lost_node) echo "lost a node (its machine stops, or nobody can reach it, or it cannot reach the job's folder)" ;;
    gpu_memory) echo "filled the memory of a GPU" ;;
    host_memory) echo "filled the memory that the job has" ;;
    esac
}

# Tells in run.out that the job goes on: an error in run.err would be in sight in RELION's window.
say_that_it_goes_on() {
    local iteration
    iteration=$(iteration_in "$(newest_iteration)")
    [ "${dispatch_way:-}" = refine ] && [ -n "$iteration" ] || iteration=0
    [ "$iteration" -eq 0 ] || dispatch_to_iteration=$iteration
    dispatch_reason="Run $dispatch_run of the job $(cut_in_words "$dispatch_cut")${dispatch_to_iteration:+ after iteration $dispatch_to_iteration}: the job goes on by itself${dispatch_next:+, $dispatch_next}."
    # RELION draws a bar, and has no time to end its line.
    ! open_file "$dispatch_outfile" || [ -z "$(tail -c 1 "$dispatch_opened" | tr -d '\0')" ] || echo
    echo "relion-dispatch: $dispatch_reason"
}

# Has the scheduler start the next run, unless it waits in the queue, or has begun; behind a full memory the next one
# takes this one's place, or waits for more memory. If that cannot be, dispatch_reason says why.
bring_next_run() {
    local because="its scheduler did not take the next run, or the job was cancelled"
    if [ -n "${dispatch_raised_from:-}" ]; then
        ! start_next_run_with_memory "$dispatch_least_memory" || return 0
        because="its scheduler did not take the next run with $(memory_in_words "$dispatch_least_memory") of memory, or the job was cancelled"
        forget_more_memory
    elif is_full_memory "$dispatch_cut"; then
        begin_next_run
        because="its next run could not be started on $dispatch_host"
    elif next_run_waits || start_next_run || next_run_has_begun; then
        return 0
    elif [ -n "${dispatch_queued_ahead:-}" ]; then
        dispatch_reason=$(why_none_waits)
        return 1
    fi
    dispatch_reason="The job does not go on, because $because: continue the job in RELION, or show this line to your admin."
    return 1
}

# Ends a run that was cut. If no other one can follow, the job has failed.
go_on() {
    end_lease
    ! next_run_has_begun && ! bring_next_run || return 0
    rm -f "$(record_of "$dispatch_run")"
    dispatch_cut=''
    tell_relion
    say_in_sight "$dispatch_reason" >&2
    write_run 2>/dev/null
}
