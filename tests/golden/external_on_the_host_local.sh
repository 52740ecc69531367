#!/bin/bash
exec </dev/null >>External/job023/run.out 2>>External/job023/run.err
dispatch_scheduler_job=$$
# External/job023 (job type external), written by relion-dispatch 0.2.0

# What runs.
commands() {
    dispatch_program=/opt/bin/mytool.py
    run /opt/bin/mytool.py --o External/job023/ --in_parts Extract/a.star --foo bar --j 4 || exit 1
}
# Why it runs like this.
reasons() {
    cat <<'END_OF_REASONS'
relion-dispatch 0.2.0
  Job type external (submit → external): mytool.py.
END_OF_REASONS
}

# The settings of what looks after the job.
cd /data/project || exit 1
dispatch_token=000000000000
dispatch_job=External/job023 dispatch_outfile=External/job023/run.out dispatch_errfile=External/job023/run.err
dispatch_nodes=1 dispatch_abort_grace=120 dispatch_lock=/data/runtime/local.lock dispatch_uses_scratch='' dispatch_scratch_for_all=''
dispatch_image='' dispatch_image_state='' dispatch_binds=()
dispatch_environment=(RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER) dispatch_for_apptainer=

# What looks after the job: read once and compared, so that nobody can change it while the job waits.
read_library() {
    { dispatch_library=$(<"$dispatch_job/run_submit.script.lib"); } 2>/dev/null
    [ "$(printf '%s\n' "$dispatch_library" | sha256sum)" = "DIGEST  -" ]
}
if ! read_library && sleep 3 && ! read_library; then
    # Silent if the job was submitted again, or if another copy of the job has claimed it.
    grep -s '^dispatch_token=' "$dispatch_job/run_submit.script.run" | grep -qvx "dispatch_token=$dispatch_token" && exit 0
    dispatch_claim=$dispatch_job/.dispatch_claim.$dispatch_token dispatch_end=$dispatch_job/RELION_JOB_EXIT_FAILURE
    [ ! -e "$dispatch_job/RELION_JOB_ABORT_NOW" ] || dispatch_end=$dispatch_job/RELION_JOB_EXIT_ABORTED
    ln -sT "$(uname -n), without its library, job $dispatch_scheduler_job" "$dispatch_claim" 2>/dev/null || [ ! -L "$dispatch_claim" ] || exit 0
    compgen -G "$dispatch_job/RELION_JOB_EXIT_*" >/dev/null && exit 1
    dispatch_reason="relion-dispatch: The job could not begin, because $dispatch_job/run_submit.script.lib is missing or was changed: submit the job again."
    echo "$dispatch_reason" >>"$dispatch_errfile" || echo "$dispatch_reason" >&2
    touch "$dispatch_end" || mv "$dispatch_job/run_submit.script.run" "$dispatch_end"; exit 1
fi
eval "$dispatch_library"
{ begin_job # bash reads all of this, to the last line, before the job waits
clean_environment
prepare_nodes
run_commands; exit; }
