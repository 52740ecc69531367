#!/bin/bash
#SBATCH --job-name=AutoPick/job009
#SBATCH --output=AutoPick/job009/run.out
#SBATCH --error=AutoPick/job009/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=1
#SBATCH --gres=gpu:4
#SBATCH --mem=64G
#SBATCH --time=2-00:00:00
# AutoPick/job009 (job type autopick), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=AutoPick/job009
dispatch_status=0

# RELION waits for exactly one of these files, and believes SUCCESS before the others.
tell_relion() {
    if [ -e "$dispatch_job/RELION_JOB_EXIT_ABORTED" ]; then
        rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" "$dispatch_job/RELION_JOB_EXIT_FAILURE"
    elif [ "$dispatch_status" -ne 0 ] || [ -e "$dispatch_job/RELION_JOB_EXIT_FAILURE" ]; then
        [ "$dispatch_status" -ne 0 ] || dispatch_status=1
        rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS"
        touch "$dispatch_job/RELION_JOB_EXIT_FAILURE"
    else
        touch "$dispatch_job/RELION_JOB_EXIT_SUCCESS"
    fi
}
# MPI puts each rank in a process group of its own, so ranks outlive an mpirun that was killed; but
# they stay in this script's session, which only holds what it started where the script leads it.
end_processes() {
    [ "$(ps -o sid= -p $$ | tr -d ' ')" = $$ ] || return 0
    for dispatch_process in $(pgrep -s $$); do
        [ "$dispatch_process" = $$ ] || kill -KILL "$dispatch_process" 2>/dev/null
    done
}
finish() {
    dispatch_exit=$?
    [ "$dispatch_status" -ne 0 ] || dispatch_status=$dispatch_exit
    trap - EXIT
    trap '' TERM INT HUP
    tell_relion
    end_processes 2>/dev/null
    exit "$dispatch_status"
}
# The scheduler may follow up with KILL, so RELION is told first.
stop() {
    trap '' TERM INT HUP
    dispatch_status=$((128 + $1))
    tell_relion
    echo "relion-dispatch: the job was stopped by signal $1." >&2
    if [ -n "${!:-}" ] && kill -TERM "$!" 2>/dev/null; then
        for _ in {1..50}; do
            kill -0 "$!" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$!" 2>/dev/null
    fi
    exit "$dispatch_status"
}
trap finish EXIT
trap 'stop 15' TERM
trap 'stop 2' INT
trap 'stop 1' HUP

# In the background, so that a signal is acted on at once and not after RELION's last iteration.
run() {
    "$@" &
    wait "$!"
    dispatch_status=$?
    [ ! -e "$dispatch_job/RELION_JOB_EXIT_FAILURE" ] || [ "$dispatch_status" -ne 0 ] || dispatch_status=1
    [ "$dispatch_status" -eq 0 ] || exit "$dispatch_status"
}

if [ -e "$dispatch_job/RELION_JOB_ABORT_NOW" ]; then
    echo "relion-dispatch: aborted in RELION before the job started." >&2
    touch "$dispatch_job/RELION_JOB_EXIT_ABORTED"
    exit 0
fi

cat <<'END_OF_REASONS'
relion-dispatch 0.1.0
  Job type autopick (submit → gpu → gpu_each → autopick): relion_autopick.
  The job's GPU memory is not known, so it sets no limit.
  4 GPUs x 2 ranks = 8 ranks, of at most 8.
  Image relion 5.1.0 (cuda): the site's default.
END_OF_REASONS

# A clean environment in the container, but for these variables where they are set.
for dispatch_name in RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES; do
    [ -z "${!dispatch_name+set}" ] || export "APPTAINERENV_$dispatch_name=${!dispatch_name}"
done
export APPTAINERENV_PYTHONNOUSERSITE=1

# The image must be the file that was chosen, on each node: its size and the id in its header.
dispatch_look='found="$(stat -Lc %s "$1") $(od -An -tx1 -j48 -N16 "$1" | tr -d " \n")"
[ "$found" = "$2" ] || {
    echo "relion-dispatch: the image $1 on $(uname -n) is not the one that was chosen" \
        "(size and SIF id $found instead of $2): have your admin put the right file there," \
        "and submit the job again." >&2
    exit 1
}'
bash -c "$dispatch_look" look /data/site/relion-5.1.0-cuda.sif '141 62d8bd61d788591dbf68b9ce1e7f647b' || exit 1

run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    mpirun --bind-to none --oversubscribe -n 8 \
    relion_autopick_mpi --i CtfFind/job003/micrographs_ctf.star --odir AutoPick/job009/ \
    --pickname autopick --ref refs.star --invert --ctf --ang 5 --shrink 0 --lowpass 20 \
    --threshold 0.05 --min_distance 100 --max_stddev_noise 1.1 --only_do_unfinished \
    --pipeline_control AutoPick/job009/ --gpu 0:1:2:3:0:1:2:3
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run echo CtfFind/job003/micrographs_ctf.star > AutoPick/job009/coords_suffix_autopick.star
