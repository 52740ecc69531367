# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# Next runs that wait in the queue from the submission on, each for the end of the one before: for nodes that may not call
# the scheduler, and for schedulers that start no job again. The hook notes the ids of all in one file, in their order.
#
# Settings that only such a job has:
#   dispatch_queued_ahead   how many next runs the hook was to queue
#   dispatch_follows        the id of the job that this one has waited for; empty for the first one

is_queued_ahead() { [ -n "${dispatch_follows:-}" ]; }

# A submit command may print less of an id than the job sees: 17 of 17.server.
is_same_job() { # AS PRINTED, AS SEEN
    [[ -n $1 && ($2 == "$1" || $2 == "$1".*) ]]
}

# The ids, a line each: first that of the first job. Nothing if another user wrote them, as they are not ours to cancel, or
# if one of them is none (as is_job_id of dispatcher/scheduler/job_ids.py).
jobs_in_line() {
    local ids
    open_file "$dispatch_folder/.dispatch_line.$dispatch_token" && [ -O "$dispatch_opened" ] || return 0
    ids=$(tr '\0' ' ' <"$dispatch_opened")
    [ -z "$ids" ] || LC_ALL=C grep -qavE '^[!-,.-~][!-~]{0,199}$' <<<"$ids" || printf '%s\n' "$ids"
}

# The ids from a job's on; nothing if it is not in the line.
line_from() { # JOB, AS SEEN
    local each found=''
    while read -r each; do
        ! is_same_job "$each" "$1" || found=yes
        [ -z "$found" ] || printf '%s\n' "$each"
    done < <(jobs_in_line)
}

behind_in_line() { # JOB, AS SEEN
    line_from "$1" | tail -n +2
}

# The id of the job that has made a run's claim.
job_of_run() { # NUMBER
    local claim
    claim=$(readlink "$(claim_of "$1")")
    ! is_jobs_claim "$claim" || printf '%s\n' "${claim##*, job }"
}

# The number of the newest run that a job has begun; 0 if none has.
newest_begun() {
    local number
    number=$(newest_run)
    until [ "$number" -eq 0 ] || is_jobs_claim "$(readlink "$(claim_of "$number")")"; do number=$((number - 1)); done
    echo "$number"
}

# The ids that stand behind the job that has begun last; all of them if none has begun.
waiting_in_line() {
    local number
    number=$(newest_begun)
    if [ "$number" -eq 0 ]; then
        jobs_in_line
    else
        behind_in_line "$(job_of_run "$number")"
    fi
}

# The ids of those that run, or are to run next: the job that has begun last, and the one behind it; or the first, if none
# has begun. If a job that is not in the line has begun last, it is the first one's turn when that job has gone on, as
# `resume` has made the line then; before that nobody can tell. (As whose_turn of jobs/queued_ahead.py.)
whose_turn() {
    local number turn=''
    number=$(newest_begun)
    [ "$number" -eq 0 ] || turn=$(line_from "$(job_of_run "$number")" | head -n 2)
    if [ -n "$turn" ]; then
        printf '%s\n' "$turn"
    elif [ "$number" -eq 0 ] || [ -e "$(record_of "$number")" ]; then
        jobs_in_line | head -n 1
    fi
}

# Whether a job has begun one of the runs.
has_begun() { # JOB, AS PRINTED
    local number
    for ((number = $(newest_run); number > 0; number--)); do
        ! is_same_job "$1" "$(job_of_run "$number")" || return 0
    done
    return 1
}

# Whether this copy has nothing to do.
comes_too_late() { is_over || is_submitted_again; }

# Whether this job has waited for the end of the one that has made a claim, so that its run is over.
has_waited_for() { # CLAIM
    is_queued_ahead && is_same_job "$dispatch_follows" "${1##*, job }"
}

# Why this run, which has its claim, does not compute: nothing if it is its turn.
why_not_its_turn() {
    local before=$((dispatch_run - 1))
    is_queued_ahead || return 0
    if ! has_begun "$dispatch_follows"; then
        if [ "$before" -eq 0 ]; then
            echo "The job did not begin, because it was cancelled in the queue, or could not be started: submit the job again if you did not cancel it."
        else
            echo "The job does not go on, because its next run was cancelled in the queue, or could not be started: continue the job in RELION if you did not cancel it."
        fi
    elif has_waited_for "$(readlink "$(claim_of "$before")")" && [ ! -e "$(record_of "$before")" ] && ! survives lost_node; then
        echo "The job does not go on, because its run $before ended without a word: its node was lost, or it was killed there. Continue the job in RELION, or ask your admin to add \"lost_node\" to \"after\" of \"goes_on\"."
    fi
}

# Whether the next run waits behind this one, as far as the scheduler, which need not answer, does not deny it.
next_run_waits() {
    local next of_cluster
    next=$(behind_in_line "$dispatch_scheduler_job" | head -n 1)
    read -r _ of_cluster < <(words_of_job)
    # shellcheck disable=SC2086 # no word, or one
    [ -n "$next" ] && may_have_job "$next" $of_cluster
}

# Why nothing follows this run: a sentence for run.err.
why_none_waits() {
    echo "The job does not go on, because no further run of it waits in the queue: continue the job in RELION, or ask your admin to raise \"queued_ahead\" of \"goes_on\", which is $dispatch_queued_ahead."
}

# Once RELION was told: what still waits in the line would begin, and find nothing to do. The last one goes first.
dismiss_next_runs() {
    local waiting
    relion_was_told || return 0
    mapfile -t waiting < <(behind_in_line "$dispatch_scheduler_job" | tac)
    [ "${#waiting[@]}" -eq 0 ] || cancel_jobs "${waiting[@]}"
}
