#!/bin/bash
#SBATCH --job-name=Class3D/job010
#SBATCH --output=Class3D/job010/run.out
#SBATCH --error=Class3D/job010/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --nodes=2
#SBATCH --ntasks=9
#SBATCH --cpus-per-task=6
#SBATCH --gres=gpu:4
#SBATCH --mem=120G
# Class3D/job010 (job type class3d), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=Class3D/job010
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
  Job type class3d (submit → gpu → class3d): relion_refine.
  A rank needs 9.9 GB on its GPU by the relion model (box 256 pixels from Select/job007/particles.star, optics group 1, padding 2, 4 classes in 3D, 6 threads); 2 fit into 23.3 GB usable of 24.0 GB.
  2 nodes x 4 GPUs x 1 follower + 1 leader = 9 ranks, of at most 9.
  A node needs 72.2 GB of host memory (4.0 GB in any case, 4 followers with 11.4 GB, 4 reconstructions of 4.9 GB, 2.7 GB of references), within the job's 120G.
  Image relion 5.1.0 (cuda): the site's default.
END_OF_REASONS

export PYTHONNOUSERSITE=1
# srun must not inherit limits meant for the batch step.
unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU SLURM_MEM_PER_NODE SLURM_CPU_BIND

# The image must be the file that was chosen, on each node: its size and the id in its header.
dispatch_look='found="$(stat -Lc %s "$1") $(od -An -tx1 -j48 -N16 "$1" | tr -d " \n")"
[ "$found" = "$2" ] || {
    echo "relion-dispatch: the image $1 on $(uname -n) is not the one that was chosen" \
        "(size and SIF id $found instead of $2): have your admin put the right file there," \
        "and submit the job again." >&2
    exit 1
}'
srun --mpi=none --input=none --nodes=2 --ntasks=2 --ntasks-per-node=1 \
    bash -c "$dispatch_look" look /data/site/relion-5.1.0-cuda.sif '141 62d8bd61d788591dbf68b9ce1e7f647b' || exit 1

run srun --mpi=pmix --nodes=2 --ntasks=9 \
    --export=PATH,HOME,USER,LANG,PYTHONNOUSERSITE,RELION_STACK_BUFFER,RELION_SHELL,RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE,RELION_BLUSH_ARGS,CUDA_VISIBLE_DEVICES \
    apptainer --quiet exec --no-eval --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    relion_refine_mpi --o Class3D/job010/run --i Select/job007/particles.star --ref InitialModel/job009/initial_model.mrc \
    --firstiter_cc --trust_ref_size --ini_high 60 --dont_combine_weights_via_disc \
    --scratch_dir /scratch --pool 3 --pad 2 --ctf --iter 25 --tau2_fudge 4 \
    --particle_diameter 200 --K 4 --flatten_solvent --zero_mask --oversampling 1 \
    --healpix_order 2 --offset_range 5 --offset_step 2 --sym C1 --norm --scale \
    --pipeline_control Class3D/job010/ --gpu 0:1:2:3 --j 6
