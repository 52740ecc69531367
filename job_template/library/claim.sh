# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# A submission runs once: the first copy that can make this link has the job, and the link stays. Of a job that goes on,
# each run makes a link of its own.
claim_job() {
    local found
    ! is_queued_ahead || ! comes_too_late || exit 0
    take_number
    if overtaken; then
        say_overtaken
        # A claim without which the runs would have a gap stays.
        next_run_has_begun || rm -f "$dispatch_claim"
        exit 0
    fi
    [ -n "$dispatch_reason" ] || dispatch_reason=$(why_not_its_turn)
    for found in "$dispatch_folder"/.dispatch_{claim,lease}.*; do
        [[ $found == *".$dispatch_token" || $found == *".$dispatch_token."* ]] || rm -f "$found"
    done
}

# Makes the link of the first number that is free for this copy: dispatch_run, dispatch_claim. If none is, dispatch_reason
# says why, or the copy ends.
take_number() {
    local owner found same
    owner="$dispatch_host, process $$, $(date +%FT%T.%N), job $dispatch_scheduler_job"
    for ((dispatch_run = 1; ; dispatch_run++)); do
        dispatch_claim=$(claim_of "$dispatch_run")
        ! ln -sT "$owner" "$dispatch_claim" 2>/dev/null || return 0
        found=$(readlink "$dispatch_claim")
        [ "$found" != "$owner" ] || return 0 # a network file system has sent the request twice
        same=''
        [[ $found != *", job ${dispatch_scheduler_job:-none}" ]] || same=yes
        if [ -z "$found" ]; then
            dispatch_reason=$(why_not_written)
            return 0
        elif { is_of_run "$found" || [ -n "$same" ]; } && is_over; then
            exit 0
        elif is_of_run "$found" && is_followed "$found"; then
            continue
        elif [ -n "$same" ]; then
            dispatch_reason="The job was interrupted, and its scheduler started the job again: continue the job from its last iteration, or run it again."
            return 0
        fi
        echo "relion-dispatch: this copy of the job stops, because another copy has the job or the submission was given up; claimed by: $found"
        exit 0
    done
}

# Whether the submission has ended for good. RELION removes its exit file when its user runs the job without the queue.
is_over() { relion_was_told || [ -e "$dispatch_folder/dispatch.run.$dispatch_token" ]; }

# Why the job cannot begin: a sentence for run.err.
why_not_written() {
    echo "The job could not begin, because the job cannot write to $dispatch_job on $dispatch_host: free space on the disk or correct the folder's permissions, and submit the job again."
}

# True if the job was submitted again, for example because this job's node seemed lost, or if its next run has begun:
# then only the newer one reports to RELION, and the files in the folder belong to it.
overtaken() { is_submitted_again || next_run_has_begun; }

is_submitted_again() {
    local newest
    newest=$(read_file "$dispatch_folder/run_submit.script.run" | grep -a -m 1 '^dispatch_token=')
    [ -n "$newest" ] && [ "$newest" != "dispatch_token=$dispatch_token" ]
}

next_run_has_begun() { may_have_runs && [ -L "$(claim_of $((dispatch_run + 1)))" ]; }

say_overtaken() {
    if is_submitted_again; then
        echo "relion-dispatch: this job stops, because it was submitted again."
    else
        echo "relion-dispatch: run $dispatch_run of this job stops, because run $((dispatch_run + 1)) has begun."
    fi
}
