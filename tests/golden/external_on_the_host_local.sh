#!/bin/bash
exec </dev/null >>External/job023/run.out 2>>External/job023/run.err
# External/job023 (job type external), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=External/job023
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

# One job of this user at a time on this machine; the lock goes with the last of its processes.
exec 9>>/data/runtime/local.lock
run flock 9
if [ -e "$dispatch_job/RELION_JOB_ABORT_NOW" ]; then
    echo "relion-dispatch: aborted in RELION before the job started." >&2
    touch "$dispatch_job/RELION_JOB_EXIT_ABORTED"
    exit 0
fi

cat <<'END_OF_REASONS'
relion-dispatch 0.1.0
  Job type external (submit → external): mytool.py.
END_OF_REASONS

run /opt/bin/mytool.py --o External/job023/ --in_parts Extract/a.star --foo bar --j 4
