# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What a job script knows of LSF, beside its directives (library/scheduler.sh says what each function is for).

opens_texts() { return 1; }

# These would change what LSF's commands print.
forget_scheduler_options() {
    unset "${!LSB_BJOBS_@}" "${!BSUB_@}"
}

# LSF sends this at the limit, should the warning have been turned off.
warning_signals() { echo USR2; }

# LSF warns two minutes before the limit, and as long before it ends a job that somebody cancels.
time_limit_reached() {
    local left
    left=$(ask_in_time 3 bjobs -noheader -o time_left "$LSB_JOBID" 2>/dev/null)
    [[ $left =~ ([0-9]+):([0-9]+) ]] && [ $((10#${BASH_REMATCH[1]} * 60 + 10#${BASH_REMATCH[2]})) -le 3 ]
}

why_it_ends() { # SIGNAL
    [ "$1" -ne 15 ] || ! time_limit_reached || echo time_limit
}

# With -Q 99, a job that ends with 99 goes back into the queue under its id. A queue may have such values as well.
start_next_run() { dispatch_wants_requeue=yes; }

status_for_scheduler() { # STATUS
    case ${dispatch_wants_requeue:-$1} in
    yes) echo 99 ;;
    99) echo 1 ;;
    *) echo "$1" ;;
    esac
}

# LSF's daemon starts the shell that leads the session, and that runs the script.
scheduler_made_session() {
    case $(ps -o comm= -p "$(ps -o ppid= -p "$dispatch_session" | tr -d ' ')") in
    res | sbatchd) ;;
    *) return 1 ;;
    esac
}

# LSF starts MPS itself for -gpu "mps=yes".
given_mps() { echo "${CUDA_MPS_PIPE_DIRECTORY:-}"; }

words_of_job() { echo "$dispatch_scheduler_job"; }

# An answer that is none says nothing: the job may be there.
may_have_job() { # JOB
    local found
    command -v bjobs >/dev/null || return 0
    found=$(ask_in_time 10 bjobs -noheader -o stat "$1" 2>&1)
    case $found in
    DONE | EXIT | *"is not found"*) return 1 ;;
    esac
}

scheduler_programs() { echo 'res|sbatchd|bsub|bjobs|blaunch|TERM_[A-Z]*'; }
scheduler_that_ends_jobs() { echo 'TERM_[A-Z]*'; }

cancel_jobs() { ask_in_time 10 bkill "$@"; } # JOBS…

# The jobs after the job, by their name: they would wait in the queue and find nothing to tell.
dismiss_watcher() {
    ! relion_was_told || ask_in_time 10 bkill -J "end.$dispatch_token" 0
}
