#!/bin/bash
exec </dev/null >/dev/null 2>&1
tail --pid=4711 -f /dev/null
# The end of Refine3D/job011 (job 4711), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=Refine3D/job011

# RELION knows the end already, or the folder belongs to a later run of the job.
nothing_to_tell() {
    ls "$dispatch_job" >/dev/null || return 0 # makes a network file system look again
    [ ! -e "$dispatch_job/RELION_JOB_EXIT_SUCCESS" ] || return 0
    [ ! -e "$dispatch_job/RELION_JOB_EXIT_FAILURE" ] || return 0
    [ ! -e "$dispatch_job/RELION_JOB_EXIT_ABORTED" ] || return 0
    [ ! "$dispatch_job/run_submit.script" -nt "$dispatch_job/dispatch.json" ] || return 0
    ! grep -q '^  "token": "0123456789ab"' "$dispatch_job/dispatch.json"
}

# What the job's script wrote last may still be on its way here.
for _ in {1..5}; do
    nothing_to_tell && exit 0
    sleep 1
done
# Ranks of a script that was killed run on in its session.
pkill -KILL -s 4711

dispatch_why='it was killed' dispatch_facts=

# Several may tell at the same moment: one does.
exec 9>>"$dispatch_job/.dispatch.json.lock" && flock -w 10 9
nothing_to_tell && exit 0
dispatch_end=FAILURE
[ ! -e "$dispatch_job/RELION_JOB_ABORT_NOW" ] || dispatch_end=ABORTED
echo "relion-dispatch: The job ended before its script could say why: $dispatch_why${dispatch_facts:+ ($dispatch_facts)}." \
    >>Refine3D/job011/run.err
touch "$dispatch_job/RELION_JOB_EXIT_$dispatch_end"
# What the job's script would have removed. A scratch folder of another node stays for the next job there.
rm -rf "$dispatch_job/.dispatch_control"
dispatch_scratch_for_all=/scratch
rm -rf "$dispatch_scratch_for_all/relion-dispatch.0123456789ab"
