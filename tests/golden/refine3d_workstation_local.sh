#!/bin/bash
# Nothing that its user has set or exported changes this script; functions of environment modules stay.
POSIXLY_CORRECT=yes; set +aefkux; unset -f unset set declare grep read; unset POSIXLY_CORRECT; set +o posix
while read -r _ _ dispatch_word; do unset -f "$dispatch_word"; done < <(declare -Fx | grep -vE ' (module|ml|switchml|scl|spack|_.*)$')
for dispatch_word in "${!dispatch_@}"; do [[ $dispatch_word == dispatch_scheduler_job ]] || unset "$dispatch_word"; done
new_file() { # FILE
    dd of="$1" conv=excl status=none 2>/dev/null
}
open_file() { # FILE
    local found kept
    [ -f "$1" ] && [ ! -L "$1" ] && { exec {found}<>"$1"; } 2>/dev/null || return 1
    dispatch_opened=/proc/self/fd/$found
    kept=$(stat -Lc %f:%h:%d:%i "$dispatch_opened")
    [[ $kept == 8???:1:* && $kept == "$(stat -c %f:%h:%d:%i "$1")" ]] && return 0
    exec {found}<&-
    return 1
}
open_text() { # FILE
    local number=1
    new_file "$1" </dev/null
    open_file "$1" && return
    [[ $(stat -c %f:%h "$1") != 8???:1 ]] || return
    while [ -e "$1.$number" ] || [ -L "$1.$number" ]; do number=$((number + 1)); done
    mv -nT "$1" "$1.$number" 2>/dev/null && new_file "$1" </dev/null && open_file "$1"
}
exec </dev/null
open_text Refine3D/job005/run.out && exec >>"$dispatch_opened"
open_text Refine3D/job005/run.err && exec 2>>"$dispatch_opened"
dispatch_scheduler_job=$$
# Refine3D/job005 (job type refine), written by relion-dispatch 0.2.0

# What runs.
commands() {
    dispatch_program=relion_refine_mpi
    run apptainer --quiet exec --no-eval --cleanenv \
        --mount=type=bind,source=/data/project,destination=/data/project \
        --pwd=/data/project \
        "${dispatch_scratch_mounts[@]}" /data/site/relion-5.1.0-cpu.sif \
        mpirun --bind-to none --oversubscribe -n 3 \
        relion_refine_mpi --o Refine3D/job005/run --auto_refine --split_random_halves --i Select/job007/particles.star \
        --ref InitialModel/job009/initial_model.mrc --firstiter_cc --ini_high 60 \
        --dont_combine_weights_via_disc --scratch_dir "${dispatch_scratch}" --pool 3 --pad 2 --skip_gridding \
        --ctf --particle_diameter 200 --flatten_solvent --zero_mask --solvent_mask MaskCreate/job001/mask.mrc \
        --oversampling 1 --healpix_order 2 --auto_local_healpix_order 4 --offset_range 5 --offset_step 2 \
        --sym C1 --low_resol_join_halves 40 --norm --scale --maxsig 500 --pipeline_control "${dispatch_control}"/ \
        --j 5 || exit 1
}
# Why it runs like this.
reasons() {
    cat <<'END_OF_REASONS'
relion-dispatch 0.2.0
  Job type refine (submit → gpu → refine): relion_refine.
  No GPU: the partition has no GPUs, so the job runs on CPUs.
  5 threads each: 3 ranks share the 16 cores of this machine.
  3 ranks on CPUs, of at most 3.
  A node needs 19.3 GiB of host memory (3.7 GiB in any case, 2 followers with 3.0 GiB, 2 reconstructions of 4.6 GiB, 0.4 GiB of references), within the job's 120G.
  Image relion 5.1.0 (cpu): the site's default.
  qsub_extra1: 24:00:00 (job.star) is for the site's templates alone: nothing tells which field of RELION's window this is.
END_OF_REASONS
}

# The settings of what looks after the job.
cd /data/project || exit 1
dispatch_job=Refine3D/job005
dispatch_token=000000000000
dispatch_waiting_program=RELION
dispatch_outfile=Refine3D/job005/run.out
dispatch_errfile=Refine3D/job005/run.err
dispatch_nodes=1
dispatch_lock=/data/runtime/local.lock
dispatch_abort_grace=120
dispatch_image=/data/site/relion-5.1.0-cpu.sif
dispatch_image_state='141 7bd8c2cc7e74564e9c3786f45b6092ba'
dispatch_binds=()
dispatch_environment=(RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER)
dispatch_for_apptainer=
dispatch_uses_scratch=yes
dispatch_scratch_for_all=/scratch

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
        [ ! -L "$dispatch_claim" ] || exit 0

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
