#!/bin/bash
#SBATCH --partition=gpu_long
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=100M
#SBATCH --time=5
#SBATCH --account=em
#SBATCH --qos=long
unset "${!SQUEUE_@}" "${!SCANCEL_@}" "${!SCONTROL_@}" SLURM_CLUSTERS # or Slurm may hide jobs
# The end of Refine3D/job011, written by relion-dispatch 0.2.0

cd /data/project || exit 1
dispatch_job=Refine3D/job011
dispatch_token=0123456789ab
dispatch_claim=$dispatch_job/.dispatch_claim.$dispatch_token
dispatch_control=$dispatch_job/.dispatch_control.$dispatch_token
# One of three files tells RELION the end. The job script makes this file; RELION's programs write theirs into
# the folder $dispatch_control, where RELION does not look.
relion_was_told() {
    ls "$dispatch_job" >/dev/null # makes a network file system look again
    compgen -G "$dispatch_job/RELION_JOB_EXIT_*" >/dev/null
}

# Renames a file that was made beforehand, which works also on a full disk; if that fails, renames the script.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local file=$dispatch_job/RELION_JOB_EXIT_$1
    [ ! -e "$file" ] || return 0
    # The file gets its time before its name: from then on its user may remove the file. (A bare "return" gives
    # the status from before a trap.)
    { touch -c "$dispatch_control/ending"; mv -T "$dispatch_control/ending" "$file"; } 2>/dev/null && return 0
    touch "$file" || [ -e "$file" ] || mv "$dispatch_job/run_submit.script.run" "$file"
}

# A job script that is killed while it writes dispatch.run.TOKEN leaves this part of it.
trap 'rm -f "$dispatch_job/.dispatch.run.$dispatch_token.new"' EXIT

# There is nothing to tell if RELION knows the end already, or if the folder belongs to a later run of the job
# or to another copy of it. (Before a run without the queue RELION removes the exit file of the run before.)
nothing_to_tell() {
    [ -d "$dispatch_job" ] || return 0
    ! relion_was_told || return 0
    [ ! "$dispatch_job/run_submit.script" -nt "$dispatch_job/dispatch.json" ] || return 0
    [ ! -e "$dispatch_job/dispatch.run.$dispatch_token" ] || return 0
    ! grep -q '^  "run": {' "$dispatch_job/dispatch.json" || return 0 # as version 0.1.0 wrote it
    ! grep -Eqs '^[[:space:]]*do_queue[[:space:]]+No' "$dispatch_job/job.star" || return 0
    case $(readlink "$dispatch_claim") in
    *", job $1" | *", job $1."* | *", job ") ;;
    *", job "*) return 0 ;;
    esac
    ! grep -q '^  "token": "0123456789ab"' "$dispatch_job/dispatch.json"
}

# The script was killed after it told RELION, and before it had written its sentence.
was_killed_at_the_end() {
    [ -d "$dispatch_control" ] && relion_was_told || return 1
    case $(readlink "$dispatch_claim") in
    *", job $1" | *", job $1."*) ;;
    *) return 1 ;;
    esac
}

# The last files of the job's script may not yet be visible here.
for _ in {1..5}; do
    was_killed_at_the_end "$1" || { nothing_to_tell "$1" && exit 0; }
    sleep 1
done

dispatch_why='it was killed, or its node was lost: continue the job, or submit it again' dispatch_facts=
dispatch_ask=(scontrol show job --oneliner '{job_id}')
dispatch_said=$(timeout 60 "${dispatch_ask[@]//\{job_id\}/$1}" 2>/dev/null)
case $dispatch_said in
    *JobState=PENDING*) exit 0 ;; # the job has not ended
    *JobState=CONFIGURING*) exit 0 ;; # the job has not ended
    *JobState=RUNNING*) exit 0 ;; # the job has not ended
    *JobState=SUSPENDED*) exit 0 ;; # the job has not ended
    *JobState=STOPPED*) exit 0 ;; # the job has not ended
    *JobState=RESIZING*) exit 0 ;; # the job has not ended
    *JobState=OUT_OF_MEMORY*) dispatch_why='it used more memory than it had asked for: ask your admin to raise "mem" of the job type, or use fewer ranks' ;;
    *JobState=TIMEOUT*) dispatch_why='it reached its time limit: continue the job from its last iteration, or ask your admin to raise "time" of the job type' ;;
    *JobState=DEADLINE*) dispatch_why='it reached its deadline: submit the job again with a later deadline' ;;
    *JobState=NODE_FAIL*) dispatch_why='its node was lost: continue the job, or run it again' ;;
    *JobState=BOOT_FAIL*) dispatch_why='its node did not start: run it again' ;;
    *JobState=PREEMPTED*) dispatch_why='another job of higher priority took its place: continue the job, or run it again' ;;
    *JobState=CANCELLED*) dispatch_why='it was cancelled in the queue: submit the job again if you did not cancel it' ;;
    *JobState=COMPLETED*) dispatch_why='its script could not write to the job'"'"'s folder: free space on the disk or correct the folder'"'"'s permissions, and submit the job again' ;;
    *ExitCode=0:9*) dispatch_why='it was killed (signal KILL), by a person or because memory was used up: submit the job again, with more memory if memory was the cause' ;;
    *JobState=FAILED*) dispatch_why='its script failed: read the end of run.out and run.err, or ask your admin' ;;
esac
for dispatch_word in $dispatch_said; do
    [[ $dispatch_word == *=?* && " JobState Reason ExitCode RunTime NodeList " == *" ${dispatch_word%%=*} "* ]] &&
        dispatch_facts="${dispatch_facts:+$dispatch_facts, }$dispatch_word"
done

# If several processes want to tell RELION at the same moment, one does. From now on no other copy starts.
exec 9>>"$dispatch_job/.dispatch.json.lock" && flock -w 10 9
ln -sT "$(uname -n), which told the end of it, job $1" "$dispatch_claim" 2>/dev/null
was_killed_at_the_end "$1" || { nothing_to_tell "$1" && exit 0; }
dispatch_end=FAILURE
[ ! -e "$dispatch_job/RELION_JOB_ABORT_NOW" ] || dispatch_end=ABORTED
# The job's script has kept room for the sentence, and a file to be renamed, in case the disk is full.
rm -f "$dispatch_control/reserve"
[ -e "$dispatch_job/RELION_JOB_EXIT_SUCCESS" ] ||
    echo "relion-dispatch: The job ended before its script could report the end, because $dispatch_why${dispatch_facts:+ ($dispatch_facts)}." \
    >>Refine3D/job011/run.err
relion_was_told || make_exit_file "$dispatch_end" || exit 1
# The job's script would have removed these. A scratch folder on another node stays for the next job there.
rm -rf "$dispatch_control"
dispatch_scratch_for_all=/scratch
rm -rf "$dispatch_scratch_for_all/relion-dispatch.0123456789ab"
