#!/bin/bash
#SBATCH --job-name=InitialModel/job009
#SBATCH --output=InitialModel/job009/run.out
#SBATCH --error=InitialModel/job009/run.err
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@60
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --gres=gpu:2
#SBATCH --mem=64G
#SBATCH --time=2-00:00:00
dispatch_scheduler_job=${SLURM_JOB_ID:-}
# Nothing that its user has set or exported changes this script; functions of environment modules stay.
POSIXLY_CORRECT=yes; set +aefkux; unset -f unset set declare grep read; unset POSIXLY_CORRECT; set +o posix
while read -r _ _ dispatch_word; do unset -f "$dispatch_word"; done < <(declare -Fx | grep -vE ' (module|ml|switchml|scl|spack|_.*)$')
for dispatch_word in "${!dispatch_@}"; do [[ $dispatch_word == dispatch_scheduler_job ]] || unset "$dispatch_word"; done
# InitialModel/job009 (job type initialmodel), written by relion-dispatch 0.2.0

# What runs.
dispatch_know_container() { dispatch_container=(apptainer --quiet exec --no-eval --cleanenv --nv \
        --mount=type=bind,source=/data/project,destination=/data/project \
        --mount=type=bind,source=/scratch,destination=/scratch \
        --pwd=/data/project \
        "${dispatch_scratch_mounts[@]}" /data/site/relion-5.1.0-cuda.sif); }
commands() {
    dispatch_program=relion_refine
    prepare_to_go_on refine InitialModel/job009/run
    dispatch_continuation=("${dispatch_container[@]}" \
        relion_refine --continue "${dispatch_from}" --o InitialModel/job009/run \
        --dont_combine_weights_via_disc --scratch_dir "${dispatch_scratch}" --pool 3 --pipeline_control "${dispatch_control}"/ \
        --gpu "${dispatch_devices:-0,1}" --j 16)
    run "${dispatch_container[@]}" \
        relion_refine --o InitialModel/job009/run --iter 200 --grad --denovo_3dref --i Select/job007/particles.star \
        --ctf --K 1 --sym C1 --flatten_solvent --zero_mask --dont_combine_weights_via_disc --scratch_dir "${dispatch_scratch}" \
        --pool 3 --pad 1 --particle_diameter 200 --oversampling 1 --healpix_order 1 --offset_range 6 \
        --offset_step 2 --auto_sampling --tau2_fudge 4 --pipeline_control "${dispatch_control}"/ --gpu "${dispatch_devices:-0,1}" \
        --j 16 || exit 1
    dispatch_program='rm'
    run rm -f "${dispatch_control}"/RELION_JOB_EXIT_SUCCESS || exit 1
    dispatch_program=relion_align_symmetry
    run "${dispatch_container[@]}" \
        relion_align_symmetry --i InitialModel/job009/run_it200_model.star --o InitialModel/job009/initial_model.mrc \
        --sym D2 --apply_sym --select_largest_class --pipeline_control "${dispatch_control}"/ || exit 1
    dispatch_program='touch'
    run touch "${dispatch_control}"/RELION_JOB_EXIT_SUCCESS || exit 1
}
# Why it runs like this.
reasons() {
    cat <<'END_OF_REASONS'
relion-dispatch 0.2.0
  Job type initialmodel (submit → gpu → gpu_sp → initialmodel): relion_refine.
  The process needs 3.2 GiB on its GPU by the relion model (box 256 pixels from Select/job007/particles.star, optics group 1, padding 1, 1 class in 3D, VDAM, 8 threads), and has 23.3 GiB usable of 24.0 GiB.
  One process without MPI, 16 threads on 2 of 2 GPUs.
  A node needs 5.8 GiB of host memory (3.7 GiB in any case, the process with 1.4 GiB, 1 reconstruction of 0.6 GiB, 0.1 GiB of references), within the job's 64G.
  Image relion 5.1.0 (cuda): the site's default.
  qsub_extra1: 24:00:00 (job.star) is for the site's templates alone: nothing tells which field of RELION's window this is.
  The job goes on by itself after its time limit, preemption or the loss of its node, at most 10 times, unless 2 runs in a row bring nothing new.
END_OF_REASONS
}

# The settings of what looks after the job.
cd /data/project || exit 1
dispatch_job=InitialModel/job009
dispatch_token=000000000000
dispatch_waiting_program=RELION
dispatch_outfile=InitialModel/job009/run.out
dispatch_errfile=InitialModel/job009/run.err
dispatch_nodes=1
dispatch_lock=''
dispatch_abort_grace=120
dispatch_goes_on_after=(time_limit preemption lost_node)
dispatch_goes_on_at_most=10
dispatch_gives_up_after=2
dispatch_image=/data/site/relion-5.1.0-cuda.sif
dispatch_image_state='141 62d8bd61d788591dbf68b9ce1e7f647b'
dispatch_binds=(/scratch --mount=type=bind,source=/scratch,destination=/scratch '"bind" in site.json')
dispatch_environment=(RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER)
dispatch_for_apptainer=
dispatch_uses_scratch=yes
dispatch_scratch_for_all=/scratch
dispatch_gpu_tool=nvidia-smi
dispatch_gpu_lists=(CUDA_VISIBLE_DEVICES)
dispatch_gpus=2
dispatch_watch_gpus=''
dispatch_mps=''
dispatch_ranks=1
dispatch_leaders=1
# By a node's GPUs, how ranks share one, and its MiB at least: ranks, ranks on each, their bytes, verdict, devices.
dispatch_rank_table='2 shared 3370 1 1 3427589376 ok 0,1; 1481 1 1 3427589376 tight 0,1; 0 0 1 - no -
1 shared 5948 1 1 6048994560 ok 0; 1481 1 1 6048994560 tight 0; 0 0 1 - no -'

# The library that looks after the job is a file beside this script. It is read once, and compared with the one that
# was submitted. Others may write in the job's folder: so the folder is opened once, and no link in it is followed.
open_job() {
    [ "$dispatch_folder" ] ||
        { exec {dispatch_opened}<"$dispatch_job/." && dispatch_folder=/proc/self/fd/$dispatch_opened; }
} 2>/dev/null
read_file() { # FILE
    dd if="$1" iflag=nofollow,nonblock,fullblock bs=4M count=1 status=none
} 2>/dev/null
read_library() {
    open_job && dispatch_library=$(read_file "$dispatch_folder/run_submit.script.lib")
    [ "$(printf '%s\n' "$dispatch_library" | sha256sum)" = "DIGEST  -" ]
} 2>/dev/null

# Without its library the job cannot begin. RELION and its user are told so here, with what this script has.
if ! read_library && sleep 3 && ! read_library; then
    # A newer submission tells its own end. A folder that is not this job's is not written to.
    dispatch_folder=${dispatch_folder:-/dev/null}
    dispatch_word=$(read_file "$dispatch_folder/run_submit.script.run" | grep -a '^dispatch_token=')
    if [ "$dispatch_word" != "dispatch_token=$dispatch_token" ]; then
        [ -z "$dispatch_word" ] || exit 0
        dispatch_folder=/dev/null
    fi

    # Another copy of this script may have claimed the job: then that copy tells the end.
    dispatch_claim=$dispatch_folder/.dispatch_claim.$dispatch_token
    ln -sT "$(uname -n), without its library, job $dispatch_scheduler_job" "$dispatch_claim" 2>/dev/null ||
        [ ! -L "$dispatch_claim" ] || [ -e "$dispatch_folder/dispatch.run.$dispatch_token.1" ] || exit 0

    # The exit file, unless there is one. On a full disk, this script gets the name of the file.
    for dispatch_word in SUCCESS FAILURE ABORTED; do
        [ ! -e "$dispatch_folder/RELION_JOB_EXIT_$dispatch_word" ] || exit 1
    done
    dispatch_word=FAILURE
    [ ! -e "$dispatch_folder/RELION_JOB_ABORT_NOW" ] && [ ! -e "$dispatch_folder/PIPELINER_JOB_ABORT_NOW" ] ||
        dispatch_word=ABORTED
    dispatch_end=$dispatch_folder/RELION_JOB_EXIT_$dispatch_word
    dd of="$dispatch_end" conv=excl status=none </dev/null ||
        mv -fT "$dispatch_folder/run_submit.script.run" "$dispatch_end" ||
        dd of="$dispatch_folder/RELION_JOB_EXIT_ABORTED" conv=excl status=none </dev/null

    # The sentence, into run.err if that is a file of one name. (Empty lines: see say_in_sight in library/relion.sh.)
    dispatch_reason="relion-dispatch: The job could not begin, because $dispatch_job/run_submit.script.lib is missing"
    dispatch_reason=$'\n\n\n'"$dispatch_reason or was changed: submit the job again."
    dispatch_errfile=${dispatch_errfile/#"$dispatch_job/"/"$dispatch_folder/"}
    { [[ $(stat -c %f:%h "$dispatch_errfile") == 8???:1 ]] && echo "$dispatch_reason" |
        dd of="$dispatch_errfile" oflag=append,nofollow,nonblock conv=notrunc status=none; } ||
        echo "$dispatch_reason" >&2
    exit 1
fi
eval "$dispatch_library"
{ begin_job # bash reads all of this, to the last line, before the job waits
export CUDA_DEVICE_ORDER=PCI_BUS_ID
clean_environment
prepare_nodes
look_after_gpus
run_commands; exit; }
