#!/bin/bash
exec </dev/null >>External/job023/run.out 2>>External/job023/run.err
# External/job023 (job type external), written by relion-dispatch 0.1.0

cd /data/project || exit 1
job=External/job023
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
  Job type external (submit → external): mytool.py.
END_OF_REASONS

run /opt/bin/mytool.py --o External/job023/ --in_parts Extract/a.star --foo bar --j 4
