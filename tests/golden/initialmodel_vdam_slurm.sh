#!/bin/bash
#SBATCH --job-name=InitialModel/job009
#SBATCH --output=InitialModel/job009/run.out
#SBATCH --error=InitialModel/job009/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --gres=gpu:2
#SBATCH --mem=64G
#SBATCH --time=2-00:00:00
# InitialModel/job009 (job type initialmodel), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=InitialModel/job009
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
  Job type initialmodel (submit → gpu → gpu_sp → initialmodel): relion_refine.
  A rank needs 3.4 GB on its GPU by the relion model (box 256 pixels from Select/job007/particles.star, optics group 1, padding 1, 1 class in 3D, VDAM, 8 threads); 7 fit into 25.0 GB usable of 25.8 GB.
  One process without MPI, 16 threads on 2 of 2 GPUs.
  A node needs 6.2 GB of host memory (4.0 GB in any case, the process with 1.5 GB, 1 reconstruction of 0.6 GB, 0.1 GB of references), within the job's 64G.
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
    relion_refine --o InitialModel/job009/run --iter 200 --grad --denovo_3dref --i Select/job007/particles.star \
    --ctf --K 1 --sym C1 --flatten_solvent --zero_mask \
    --dont_combine_weights_via_disc --scratch_dir /scratch --pool 3 --pad 1 \
    --particle_diameter 200 --oversampling 1 --healpix_order 1 --offset_range 6 \
    --offset_step 2 --auto_sampling --tau2_fudge 4 --pipeline_control InitialModel/job009/ \
    --gpu 0,1 --j 16
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run rm -f InitialModel/job009/RELION_JOB_EXIT_SUCCESS
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    relion_align_symmetry --i InitialModel/job009/run_it200_model.star --o InitialModel/job009/initial_model.mrc \
    --sym D2 --apply_sym --select_largest_class --pipeline_control InitialModel/job009/
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run touch InitialModel/job009/RELION_JOB_EXIT_SUCCESS
