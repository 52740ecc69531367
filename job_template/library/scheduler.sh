# shellcheck shell=bash disable=SC2034,SC2154 # other files use what is set here, and the job script makes the settings
# Questions that a scheduler may answer better. These are the answers of a machine without a scheduler; the
# file schedulers/NAME/functions.sh of the job's scheduler comes after this one, and may replace them.

# Prints what a command says that asks who runs the jobs, if it says so in time. All programs of a job may be told to end,
# and more than once. `timeout` heeds that, although the script does not: then the command runs again.
ask_in_time() { # SECONDS COMMAND…
    local said status
    for _ in 1 2 3 4 5; do
        said=$(timeout "$@")
        status=$?
        # By HUP, INT, USR1, USR2 or TERM. Other numbers above 128 are answers: so some commands say that there is no such job.
        case $status in 129 | 130 | 138 | 140 | 143) ;; *) break ;; esac
    done
    [ -z "$said" ] || printf '%s\n' "$said"
    return "$status"
}

# Forget variables that would hide jobs from the scheduler's commands.
forget_scheduler_options() { :; }

# Whether the scheduler has the script write to RELION's run.out and run.err.
opens_texts() { return 0; }

# Forget limits that were meant for the job script, before ranks are started on several nodes.
forget_limits_of_the_script() { :; }

# Signals beside TERM by which the scheduler warns a job of its end, and whether one of them announces an end, and not
# a pause.
warning_signals() { :; }
announces_end() { return 0; } # SIGNAL

# The exit status of the job script. A scheduler may run a job again, or hold it, because of a certain one.
status_for_scheduler() { echo "$1"; } # STATUS

# Prints how many seconds the scheduler lets the job run, if the scheduler says so.
time_limit() { :; }

# Learns when a job that goes on begins what its scheduler may not say when the job ends.
learn_end() { :; }

# Whether the warning came at the time limit, and not by a cancellation.
time_limit_reached() {
    local stops
    stops=$(stops_after)
    [ -n "$stops" ] && [ "$SECONDS" -ge "$stops" ]
}

# Why the script was told to end, if that is nobody's wish: prints time_limit, preemption or lost_node, or nothing.
why_it_ends() { # SIGNAL; 0 if a program has failed
    [ "$1" -eq 15 ] || return 0
    if time_limit_reached; then
        echo time_limit
    elif [ "$(ask_in_time 3 systemctl is-system-running 2>/dev/null)" = stopping ]; then
        echo lost_node
    fi
}

# Has the scheduler start this script once more. Without a scheduler `relion-dispatch watch` or `resume` does; where next
# runs are queued ahead, nobody does once these are used up.
start_next_run() { [ -z "${dispatch_queued_ahead:-}" ]; }

# The same, with so much memory on each node. Only if the scheduler's file says "raises_memory" it is called.
start_next_run_with_memory() { return 1; } # MIB

# Prints the MiB of each node that the scheduler has given the job, if it says so.
memory_of_job() { :; }

# Whether the scheduler has made the session of the job script, so that all processes in it are the job's.
scheduler_made_session() { return 1; }

# Whether the scheduler may still have the job to which a scratch folder belongs.
may_have_job() { return 0; } # WORDS, as words_of_job gave them

# What may_have_job needs to know about this job.
words_of_job() { :; }

# Prints the folder of the MPS daemon that the scheduler has started for the job on this node, if it has.
given_mps() { :; }

# Make dispatch_each_node the words that start a program once on each of the job's nodes.
words_for_each_node() { dispatch_each_node=(); }

# Patterns for grep -E: the scheduler's programs, which write of ranks and not what a job's program said, and the one
# that ends jobs and says why.
scheduler_programs() { echo "no scheduler"; }
scheduler_that_ends_jobs() { echo "no scheduler"; }

# Decide where each rank runs, and remove that decision at the end.
place_ranks() { :; }
forget_places() { :; }

# Cancel jobs in the queue, given their ids.
cancel_jobs() { :; } # JOBS…

# Cancel the job after the job, which would only wait in the queue and have nothing to tell. A number that another user
# wrote is not ours to cancel.
dismiss_watcher() {
    local watcher
    relion_was_told && open_file "$dispatch_folder/.dispatch_watcher.$dispatch_token" && [ -O "$dispatch_opened" ] || return 0
    read -r watcher <"$dispatch_opened" || return 0
    [[ ! $watcher =~ ^[0-9]+$ ]] || cancel_jobs "$watcher"
}
