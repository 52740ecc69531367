#!/bin/bash
exec </dev/null >>ExcludeTiltImages/job032/run.out 2>>ExcludeTiltImages/job032/run.err
# ExcludeTiltImages/job032 (job type exclude_tilt_images), written by relion-dispatch 0.1.0

cd /data/project || exit 1
job=ExcludeTiltImages/job032
child=
relion_status=

# RELION waits for exactly one of these files; leave it however the script ends.
finish() {
    status=${relion_status:-$?}
    trap - EXIT TERM INT HUP
    if [ "$status" -ne 0 ]; then
        rm -f "$job/RELION_JOB_EXIT_SUCCESS"
        [ -e "$job/RELION_JOB_EXIT_ABORTED" ] || touch "$job/RELION_JOB_EXIT_FAILURE"
    elif [ ! -e "$job/RELION_JOB_EXIT_ABORTED" ] && [ ! -e "$job/RELION_JOB_EXIT_FAILURE" ]; then
        touch "$job/RELION_JOB_EXIT_SUCCESS"
    fi
    exit "$status"
}
stop() {
    echo "relion-dispatch: the job was stopped by signal $1." >&2
    [ -z "$child" ] || { kill -TERM "$child"; wait "$child"; } 2>/dev/null
    relion_status=$((128 + $1))
    exit "$relion_status"
}
trap finish EXIT
trap 'stop 15' TERM
trap 'stop 2' INT
trap 'stop 1' HUP

# In the background, so that a signal is acted on at once and not after RELION's last iteration.
run() {
    "$@" &
    child=$!
    wait "$child"
    status=$?
    child=
    [ "$status" -eq 0 ] || { relion_status=$status; exit "$status"; }
}

if [ -e "$job/RELION_JOB_ABORT_NOW" ]; then
    echo "relion-dispatch: aborted in RELION before the job started." >&2
    touch "$job/RELION_JOB_EXIT_ABORTED"
    exit 0
fi

cat <<'END_OF_REASONS'
relion-dispatch 0.1.0
  Job type exclude_tilt_images (submit → interactive → exclude_tilt_images): relion_python_tomo_exclude_tilt_images.
  Image relion 5.1.0 (cpu): the site's default.
END_OF_REASONS

# A clean environment in the container, but for these variables where they are set.
for name in RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS TORCH_HOME CUDA_VISIBLE_DEVICES; do
    [ -z "${!name+set}" ] || export "APPTAINERENV_$name=${!name}"
done
export APPTAINERENV_PYTHONNOUSERSITE=1
[ -z "${DISPLAY:-}" ] || export APPTAINERENV_DISPLAY="$DISPLAY"
[ -z "${XAUTHORITY:-}" ] || export APPTAINERENV_XAUTHORITY="$XAUTHORITY"

run apptainer --quiet exec --no-eval --cleanenv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cpu.sif \
    relion_python_tomo_exclude_tilt_images --tilt-series-star-file A/job1/aligned.star \
    --cache-size 5 --output-directory ExcludeTiltImages/job032/ --pipeline_control ExcludeTiltImages/job032/
