#!/bin/bash
#SBATCH --partition=gpu_long
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=100M
#SBATCH --time=5
#SBATCH --account=em
#SBATCH --qos=long
unset "${!SQUEUE_@}" "${!SCANCEL_@}" "${!SCONTROL_@}" SLURM_CLUSTERS # or Slurm may hide jobs
# The end of Refine3D/job011, written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=Refine3D/job011
dispatch_token=0123456789ab
dispatch_claim=$dispatch_job/.dispatch_claim.$dispatch_token
dispatch_control=$dispatch_job/.dispatch_control.$dispatch_token
# How RELION is told the end: by one of three files. The job script makes it; RELION's programs put
# theirs into the folder $dispatch_control, in which RELION does not look.
relion_was_told() {
    ls "$dispatch_job" >/dev/null # makes a network file system look again
    compgen -G "$dispatch_job/RELION_JOB_EXIT_*" >/dev/null
}

# A file made beforehand is renamed, which works on a full disk as well; if all else fails, the script.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local file=$dispatch_job/RELION_JOB_EXIT_$1
    [ ! -e "$file" ] || return 0
    mv "$dispatch_control/ending" "$file" 2>/dev/null
    touch "$file" || [ -e "$file" ] || mv "$dispatch_job/run_submit.script.run" "$file"
}

# Of a script that was killed while it wrote how the run went.
trap 'rm -f "$dispatch_job/.dispatch.run.$dispatch_token.new"' EXIT

# RELION knows the end already, or the folder belongs to a later run of the job (one without the queue,
# before which RELION removes the exit file that the record tells of), or to another copy of the job.
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

# The script was killed between telling RELION and its last word.
was_killed_at_the_end() {
    [ -d "$dispatch_control" ] && relion_was_told || return 1
    case $(readlink "$dispatch_claim") in
    *", job $1" | *", job $1."*) ;;
    *) return 1 ;;
    esac
}

# What the job's script wrote last may still be on its way here.
for _ in {1..5}; do
    was_killed_at_the_end "$1" || { nothing_to_tell "$1" && exit 0; }
    sleep 1
done

dispatch_why='it was killed, or its node was lost: continue it, or submit it again' dispatch_facts=
dispatch_ask=(scontrol show job --oneliner '{job_id}')
dispatch_said=$(timeout 60 "${dispatch_ask[@]//\{job_id\}/$1}" 2>/dev/null)
case $dispatch_said in
    *JobState=PENDING*) exit 0 ;; # the job has not ended
    *JobState=CONFIGURING*) exit 0 ;; # the job has not ended
    *JobState=RUNNING*) exit 0 ;; # the job has not ended
    *JobState=SUSPENDED*) exit 0 ;; # the job has not ended
    *JobState=STOPPED*) exit 0 ;; # the job has not ended
    *JobState=RESIZING*) exit 0 ;; # the job has not ended
    *JobState=OUT_OF_MEMORY*) dispatch_why='it used more memory than it had asked for: have your admin raise "mem" of the job type, or use fewer ranks' ;;
    *JobState=TIMEOUT*) dispatch_why='it reached its time limit: continue it from its last iteration, or have your admin raise "time" of the job type' ;;
    *JobState=DEADLINE*) dispatch_why='its deadline had come: submit it again with another one' ;;
    *JobState=NODE_FAIL*) dispatch_why='its node was lost: continue the job, or run it again' ;;
    *JobState=BOOT_FAIL*) dispatch_why='its node did not start: run it again' ;;
    *JobState=PREEMPTED*) dispatch_why='another job of higher priority took its place: continue the job, or run it again' ;;
    *JobState=CANCELLED*) dispatch_why='it was cancelled in the queue: submit it again if that was not you' ;;
    *JobState=COMPLETED*) dispatch_why='its script could not write to the job'"'"'s folder: free space or mend the folder'"'"'s permissions, and submit the job again' ;;
    *ExitCode=0:9*) dispatch_why='it was killed (signal KILL), by a person or because memory was used up: submit it again, with more memory if that is why' ;;
    *JobState=FAILED*) dispatch_why='its script failed: read the end of run.out and run.err, or ask your admin' ;;
esac
for dispatch_word in $dispatch_said; do
    [[ $dispatch_word == *=?* && " JobState Reason ExitCode RunTime NodeList " == *" ${dispatch_word%%=*} "* ]] &&
        dispatch_facts="${dispatch_facts:+$dispatch_facts, }$dispatch_word"
done

# Several may tell at the same moment: one does. Nor does another copy start from now on.
exec 9>>"$dispatch_job/.dispatch.json.lock" && flock -w 10 9
ln -sT "$(uname -n), which told the end of it, job $1" "$dispatch_claim" 2>/dev/null
was_killed_at_the_end "$1" || { nothing_to_tell "$1" && exit 0; }
dispatch_end=FAILURE
[ ! -e "$dispatch_job/RELION_JOB_ABORT_NOW" ] || dispatch_end=ABORTED
# The job's script has kept room for the sentence, and a file to be renamed, in case the disk is full.
rm -f "$dispatch_control/reserve"
[ -e "$dispatch_job/RELION_JOB_EXIT_SUCCESS" ] ||
    echo "relion-dispatch: The job ended before its script could tell, because $dispatch_why${dispatch_facts:+ ($dispatch_facts)}." \
    >>Refine3D/job011/run.err
relion_was_told || make_exit_file "$dispatch_end" || exit 1
# What the job's script would have removed. A scratch folder of another node stays for the next job there.
rm -rf "$dispatch_control"
dispatch_scratch_for_all=/scratch
rm -rf "$dispatch_scratch_for_all/relion-dispatch.0123456789ab"
