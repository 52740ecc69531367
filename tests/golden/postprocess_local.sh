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
open_text PostProcess/job016/run.out && exec >>"$dispatch_opened"
open_text PostProcess/job016/run.err && exec 2>>"$dispatch_opened"
dispatch_scheduler_job=$$
# PostProcess/job016 (job type postprocess), written by relion-dispatch 0.2.0

# What runs.
commands() {
    dispatch_program=relion_postprocess
    run apptainer --quiet exec --no-eval --cleanenv \
        --mount=type=bind,source=/data/project,destination=/data/project \
        --pwd=/data/project \
        /data/site/relion-5.1.0-cpu.sif \
        relion_postprocess --mask m.mrc --i R/run_half1_class001_unfil.mrc --o PostProcess/job016/postprocess \
        --angpix -1 --auto_bfac --autob_lowres 10 --pipeline_control "${dispatch_control}"/ || exit 1
}
# Why it runs like this.
reasons() {
    cat <<'END_OF_REASONS'
relion-dispatch 0.2.0
  Job type postprocess (submit → sp → postprocess): relion_postprocess.
  1 rank on CPUs, of at most 1.
  Image relion 5.1.0 (cpu): the site's default.
  qsub_extra1: 24:00:00 (job.star) is for the site's templates alone: nothing tells which field of RELION's window this is.
END_OF_REASONS
}

# The settings of what looks after the job.
cd /data/project || exit 1
dispatch_job=PostProcess/job016
dispatch_token=000000000000
dispatch_waiting_program=RELION
dispatch_outfile=PostProcess/job016/run.out
dispatch_errfile=PostProcess/job016/run.err
dispatch_nodes=1
dispatch_lock=/data/runtime/local.lock
dispatch_abort_grace=120
dispatch_image=/data/site/relion-5.1.0-cpu.sif
dispatch_image_state='141 7bd8c2cc7e74564e9c3786f45b6092ba'
dispatch_binds=()
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
