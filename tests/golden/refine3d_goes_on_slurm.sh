#!/bin/bash
#SBATCH --job-name=Refine3D/job011
#SBATCH --output=Refine3D/job011/run.out
#SBATCH --error=Refine3D/job011/run.err
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@60
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=13
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:4
#SBATCH --mem=120G
#SBATCH --time=2-00:00:00
dispatch_scheduler_job=${SLURM_JOB_ID:-}
# Nothing that its user has set or exported changes this script; functions of environment modules stay.
POSIXLY_CORRECT=yes; set +aefkux; unset -f unset set declare grep read; unset POSIXLY_CORRECT; set +o posix
while read -r _ _ dispatch_word; do unset -f "$dispatch_word"; done < <(declare -Fx | grep -vE ' (module|ml|switchml|scl|spack|_.*)$')
for dispatch_word in "${!dispatch_@}"; do [[ $dispatch_word == dispatch_scheduler_job ]] || unset "$dispatch_word"; done
# Refine3D/job011 (job type refine), written by relion-dispatch 0.2.0

# What runs.
dispatch_know_container() { dispatch_container=(apptainer --quiet exec --no-eval --cleanenv --nv \
        --mount=type=bind,source=/data/project,destination=/data/project \
        --mount=type=bind,source=/scratch,destination=/scratch \
        --pwd=/data/project \
        "${dispatch_scratch_mounts[@]}" /data/site/relion-5.1.0-cuda.sif); }
commands() {
    dispatch_program=relion_refine_mpi
    prepare_to_go_on refine Refine3D/job011/run
    dispatch_continuation=("${dispatch_container[@]}" \
        mpirun --bind-to none --oversubscribe -n "${dispatch_ranks:-13}" \
        relion_refine_mpi --continue "${dispatch_from}" --o Refine3D/job011/run --trust_ref_size \
        --dont_combine_weights_via_disc --scratch_dir "${dispatch_scratch}" --pool 3 --maxsig 500 \
        --pipeline_control "${dispatch_control}"/ --gpu "${dispatch_devices:-0:1:2:3}" --free_gpu_memory 1000 \
        --j 4)
    run "${dispatch_container[@]}" \
        mpirun --bind-to none --oversubscribe -n "${dispatch_ranks:-13}" \
        relion_refine_mpi --o Refine3D/job011/run --auto_refine --split_random_halves --i Select/job007/particles.star \
        --ref InitialModel/job009/initial_model.mrc --firstiter_cc --trust_ref_size --ini_high 60 \
        --dont_combine_weights_via_disc --scratch_dir "${dispatch_scratch}" --pool 3 --pad 2 --ctf \
        --particle_diameter 200 --flatten_solvent --zero_mask --solvent_mask MaskCreate/job001/mask.mrc \
        --oversampling 1 --healpix_order 2 --auto_local_healpix_order 4 --offset_range 5 --offset_step 2 \
        --sym C1 --low_resol_join_halves 40 --norm --scale --maxsig 500 --pipeline_control "${dispatch_control}"/ \
        --gpu "${dispatch_devices:-0:1:2:3}" --free_gpu_memory 1000 --j 4 || exit 1
}
# Why it runs like this.
reasons() {
    cat <<'END_OF_REASONS'
relion-dispatch 0.2.0
  Job type refine (submit → gpu → refine): relion_refine.
  A rank needs 4.0 GiB on its GPU by the relion model (box 256 pixels from Select/job007/particles.star, optics group 1, padding 2, 1 class in 3D, 4 threads); 5 fit into 23.3 GiB usable of 24.0 GiB.
  Each rank leaves 1000 MB free (--free_gpu_memory): ranks that share a GPU count its free memory before all of them have taken theirs.
  4 threads each: 13 ranks share the 64 cores of a node.
  4 GPUs x 3 followers + 1 leader = 13 ranks, of at most 13.
  A node needs 50.7 GiB of host memory (3.7 GiB in any case, 12 followers with 3.0 GiB, 2 reconstructions of 4.6 GiB, 1.6 GiB of references), within the job's 120G.
  Image relion 5.1.0 (cuda): the site's default.
  qsub_extra1: 24:00:00 (job.star) is for the site's templates alone: nothing tells which field of RELION's window this is.
  The job goes on by itself after its time limit, preemption or the loss of its node, at most 10 times, unless 2 runs in a row bring nothing new.
END_OF_REASONS
}

# The settings of what looks after the job.
cd /data/project || exit 1
dispatch_job=Refine3D/job011
dispatch_token=000000000000
dispatch_waiting_program=RELION
dispatch_outfile=Refine3D/job011/run.out
dispatch_errfile=Refine3D/job011/run.err
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
dispatch_gpus=4
dispatch_watch_gpus=''
dispatch_mps=yes
dispatch_ranks=13
dispatch_leaders=1
# By a node's GPUs, how ranks share one, and its MiB at least: ranks, ranks on each, their bytes, verdict, devices.
dispatch_rank_table='4 mps,shared 12546 13 3 12759979008 ok 0:1:2:3; 8364 9 2 8506652672 ok 0:1:2:3; 4182 5 1 4253326336 ok 0:1:2:3; 3592 5 1 4253326336 tight 0:1:2:3; 0 0 1 - no - | exclusive 4182 5 1 4253326336 ok 0:1:2:3; 3592 5 1 4253326336 tight 0:1:2:3; 0 0 1 - no -
3 mps,shared 8364 7 2 8506652672 ok 0:1:2; 4182 3 1 4253326336 ok 0:1; 3592 3 1 4253326336 tight 0:1; 0 0 1 - no - | exclusive 4182 3 1 4253326336 ok 0:1; 3592 3 1 4253326336 tight 0:1; 0 0 1 - no -
2 mps,shared 12546 7 3 12759979008 ok 0:1; 8364 5 2 8506652672 ok 0:1; 4182 3 1 4253326336 ok 0:1; 3592 3 1 4253326336 tight 0:1; 0 0 1 - no - | exclusive 4182 3 1 4253326336 ok 0:1; 3592 3 1 4253326336 tight 0:1; 0 0 1 - no -
1 mps,shared 8364 3 2 8506652672 ok 0; 0 0 2 - no - | exclusive 0 0 2 - no -'

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
