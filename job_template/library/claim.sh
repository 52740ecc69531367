# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# A submission runs once: the first copy that can make this link has the job, and the link stays.
claim_job() {
    local owner found
    dispatch_claim=$dispatch_folder/.dispatch_claim.$dispatch_token
    owner="$dispatch_host, process $$, $(date +%FT%T.%N), job $dispatch_scheduler_job"
    if ! ln -sT "$owner" "$dispatch_claim" 2>/dev/null; then
        found=$(readlink "$dispatch_claim")
        case $found in
        "$owner") ;; # the link exists: a network file system sent the request twice
        '')
            dispatch_reason="The job could not begin, because the job cannot write to $dispatch_job on $dispatch_host: free space on the disk or correct the folder's permissions, and submit the job again."
            ;;
        *", job ${dispatch_scheduler_job:-none}")
            ! relion_was_told || exit 0
            dispatch_reason="The job was interrupted, and its scheduler started the job again: continue the job from its last iteration, or run it again."
            ;;
        *)
            echo "relion-dispatch: this copy of the job stops, because another copy has the job or the submission was given up; claimed by: $found"
            exit 0
            ;;
        esac
    fi
    if overtaken; then
        echo "relion-dispatch: this job stops, because it was submitted again."
        rm -f "$dispatch_claim"
        exit 0
    fi
    for found in "$dispatch_folder"/.dispatch_claim.*; do
        [ "$found" = "$dispatch_claim" ] || rm -f "$found"
    done
}

# True if the job was submitted again, for example because this job's node seemed lost: then only the newer
# run reports to RELION, and the files in the folder belong to the newer run.
overtaken() {
    local newest
    newest=$(read_file "$dispatch_folder/run_submit.script.run" | grep -a -m 1 '^dispatch_token=')
    [ -n "$newest" ] && [ "$newest" != "dispatch_token=$dispatch_token" ]
}
