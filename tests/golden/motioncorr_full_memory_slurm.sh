#!/bin/bash
#SBATCH --job-name=MotionCorr/job002
#SBATCH --output=MotionCorr/job002/run.out
#SBATCH --error=MotionCorr/job002/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --signal=B:USR1@60
#SBATCH --nodes=1
#SBATCH --ntasks=4
#SBATCH --cpus-per-task=6
#SBATCH --mem=120G
#SBATCH --time=2-00:00:00
dispatch_scheduler_job=${SLURM_JOB_ID:-}
# Nothing that its user has set or exported changes this script; functions of environment modules stay.
POSIXLY_CORRECT=yes; set +aefkux; unset -f unset set declare grep read; unset POSIXLY_CORRECT; set +o posix
while read -r _ _ dispatch_word; do unset -f "$dispatch_word"; done < <(declare -Fx | grep -vE ' (module|ml|switchml|scl|spack|_.*)$')
for dispatch_word in "${!dispatch_@}"; do [[ $dispatch_word == dispatch_scheduler_job ]] || unset "$dispatch_word"; done
# MotionCorr/job002 (job type motioncorr_own), written by relion-dispatch 0.2.0

# What runs.
commands() {
    dispatch_program=relion_run_motioncorr_mpi
    prepare_to_go_on unfinished MotionCorr/job002
    dispatch_continuation=(apptainer --quiet exec --no-eval --cleanenv \
        --mount=type=bind,source=/data/project,destination=/data/project \
        --mount=type=bind,source=/scratch,destination=/scratch \
        --pwd=/data/project \
        /data/site/relion-5.1.0-cpu.sif \
        mpirun --bind-to none --oversubscribe -n "${dispatch_ranks:-4}" \
        relion_run_motioncorr_mpi --i Import/job001/movies.star --o MotionCorr/job002/ --first_frame_sum 1 \
        --last_frame_sum -1 --use_own --float16 --bin_factor 1 --bfactor 150 --dose_per_frame 1 --preexposure 0 \
        --patch_x 1 --patch_y 1 --eer_grouping 32 --dose_weighting --grouping_for_ps 4 --only_do_unfinished \
        --pipeline_control "${dispatch_control}"/ --j 6)
    run apptainer --quiet exec --no-eval --cleanenv \
        --mount=type=bind,source=/data/project,destination=/data/project \
        --mount=type=bind,source=/scratch,destination=/scratch \
        --pwd=/data/project \
        /data/site/relion-5.1.0-cpu.sif \
        mpirun --bind-to none --oversubscribe -n "${dispatch_ranks:-4}" \
        relion_run_motioncorr_mpi --i Import/job001/movies.star --o MotionCorr/job002/ --first_frame_sum 1 \
        --last_frame_sum -1 --use_own --float16 --bin_factor 1 --bfactor 150 --dose_per_frame 1 --preexposure 0 \
        --patch_x 1 --patch_y 1 --eer_grouping 32 --dose_weighting --grouping_for_ps 4 --only_do_unfinished \
        --pipeline_control "${dispatch_control}"/ --j 6 || exit 1
}
# Why it runs like this.
reasons() {
    cat <<'END_OF_REASONS'
relion-dispatch 0.2.0
  Job type motioncorr_own (submit → cpu → motioncorr_own): relion_run_motioncorr.
  4 ranks on CPUs, of at most 4.
  Image relion 5.1.0 (cpu): the site's default.
  qsub_extra1: 24:00:00 (job.star) is for the site's templates alone: nothing tells which field of RELION's window this is.
  The job goes on by itself after full memory, at most 10 times, unless 2 runs in a row bring nothing new. But this one has nothing left to try after a full GPU.
END_OF_REASONS
}

# The settings of what looks after the job.
cd /data/project || exit 1
dispatch_job=MotionCorr/job002
dispatch_token=000000000000
dispatch_waiting_program=RELION
dispatch_outfile=MotionCorr/job002/run.out
dispatch_errfile=MotionCorr/job002/run.err
dispatch_nodes=1
dispatch_lock=''
dispatch_abort_grace=120
dispatch_goes_on_after=(host_memory)
dispatch_goes_on_at_most=10
dispatch_gives_up_after=2
dispatch_rank_ladder=(4 3 2 1)
dispatch_image=/data/site/relion-5.1.0-cpu.sif
dispatch_image_state='141 7bd8c2cc7e74564e9c3786f45b6092ba'
dispatch_binds=(/scratch --mount=type=bind,source=/scratch,destination=/scratch '"bind" in site.json')
dispatch_environment=(RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER)
dispatch_for_apptainer=
dispatch_uses_scratch=''
dispatch_scratch_for_all=''

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
clean_environment
prepare_nodes
run_commands; exit; }
