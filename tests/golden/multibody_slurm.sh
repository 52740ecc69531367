#!/bin/bash
#SBATCH --job-name=MultiBody/job005
#SBATCH --output=MultiBody/job005/run.out
#SBATCH --error=MultiBody/job005/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=9
#SBATCH --cpus-per-task=6
#SBATCH --gres=gpu:4
#SBATCH --mem=149G
#SBATCH --time=2-00:00:00
# MultiBody/job005 (job type multibody), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=MultiBody/job005
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
    if [ -n "${dispatch_mps_folder:-}" ]; then
        ! dispatch_mps_ready || echo quit | dispatch_mps_ask >/dev/null 2>&1
        rm -rf "$dispatch_mps_folder"
    fi
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
  Job type multibody (submit → gpu → multibody): relion_refine.
  A rank needs 10.4 GB on its GPU by the relion model (box 256 pixels from Refine3D/job011/run_model.star, _rlnOriginalImageSize, padding 2, 3 bodies in 3D, 6 threads); 2 fit into 25.0 GB usable of 25.8 GB.
  4 GPUs x 2 followers + 1 leader = 9 ranks, of at most 9.
  A node needs 159.4 GB of host memory (4.0 GB in any case, 8 followers with 15.3 GB, 6 reconstructions of 4.9 GB, 3.6 GB of references): 149G are asked for, not 120G.
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

# A control daemon of this job's own, ready before the ranks start; without it they run all the same.
dispatch_mps_folder=$(mktemp -d /tmp/relion-mps.XXXXXX) || dispatch_mps_folder=
dispatch_mps_ask() { CUDA_MPS_PIPE_DIRECTORY="$dispatch_mps_folder/pipe" timeout 5 nvidia-cuda-mps-control; }
dispatch_mps_ready() { echo get_server_list | dispatch_mps_ask >/dev/null 2>&1; }
if [ -n "$dispatch_mps_folder" ] && command -v nvidia-cuda-mps-control >/dev/null; then
    mkdir "$dispatch_mps_folder/pipe" "$dispatch_mps_folder/log"
    CUDA_MPS_PIPE_DIRECTORY="$dispatch_mps_folder/pipe" CUDA_MPS_LOG_DIRECTORY="$dispatch_mps_folder/log" \
        nvidia-cuda-mps-control -d
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        dispatch_mps_ready && break
        sleep 0.2
    done
fi
if [ -n "$dispatch_mps_folder" ] && dispatch_mps_ready; then
    export APPTAINERENV_CUDA_MPS_PIPE_DIRECTORY="$dispatch_mps_folder/pipe"
else
    echo "relion-dispatch: MPS did not start; the ranks share the GPUs without it." >&2
fi

run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    mpirun --bind-to none --oversubscribe -n 9 \
    relion_refine_mpi --continue Refine3D/job011/run_optimiser.star --o MultiBody/job005/run \
    --solvent_correct_fsc --multibody_masks bodies.star --oversampling 1 \
    --healpix_order 4 --auto_local_healpix_order 4 --offset_range 3 --offset_step 1.5 \
    --reconstruct_subtracted_bodies --dont_combine_weights_via_disc --scratch_dir /scratch \
    --pool 3 --pad 2 --pipeline_control MultiBody/job005/ --gpu 0:1:2:3 --j 6
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    relion_flex_analyse --PCA_orient --model MultiBody/job005/run_model.star --data MultiBody/job005/run_data.star \
    --bodies bodies.star --o MultiBody/job005/analyse --do_maps --k 3 \
    --pipeline_control MultiBody/job005/
