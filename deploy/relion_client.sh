#!/bin/sh
# The queue command that RELION finds inside its container. It hands the request to the launcher
# outside (`relion-dispatch relion`) through the folder it lies in, and returns output and status.
# POSIX sh and coreutils only: any RELION image can run it.
#
#     sh relion_client.sh Refine3D/job019/run_submit.script
#
# launcher        "PID START NAMESPACE" of the launcher: its process id, when it was started in
#                 clock ticks (process ids come round again), its process id namespace
# requests/NAME   working folder and script, a line each; renamed into place, removed when taken
# bell            a FIFO: a line wakes the launcher
# replies/NAME.*  out, err, and last status: all there is to say once status exists
set -u
umask 077
export LC_ALL=C
trap '' HUP  # A closed terminal must not silence us: RELION may still be waiting for word.

session=${0%/*}
script=${1-}
case $script in
    '') echo "usage: relion_client.sh JOB/run_submit.script" >&2; exit 64 ;;
    */*) job=${script%/*} ;;
    *) job=. ;;
esac
newline='
'

# Tell RELION's user and then RELION, in this order: the exit file ends the waiting. Only the
# shell's own commands, as nothing else starts in a container that is being torn down.
fail() {
    echo "relion-dispatch: $1" >&2
    folder_name=$(cd "$job" 2> /dev/null && pwd)
    case ${folder_name##*/} in # the rule of dispatcher/refusal.py
        job*[!0-9]*) ;;
        job[0-9][0-9][0-9]*)
            { echo "relion-dispatch: $1" >> "$job/run.err"; } 2> /dev/null
            { : > "$job/RELION_JOB_EXIT_FAILURE"; } 2> /dev/null ||
                echo "relion-dispatch: cannot write $job/RELION_JOB_EXIT_FAILURE" >&2
            ;;
    esac
    exit 1
}

launcher_lives() {
    kill -0 "$pid" 2> /dev/null || return 1
    { read -r stat < "/proc/$pid/stat"; } 2> /dev/null || return 0
    # "123 (a name) S 1 …": the state is field 3, the start time field 22.
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    case ${1-} in Z | X) return 1 ;; esac
    [ "${20-}" = "$start" ]
}

again="Close RELION and start it again with \`relion-dispatch relion\`."
{ read -r pid start namespace < "$session/launcher"; } 2> /dev/null ||
    fail "the launcher of this RELION session has ended, so this job was not submitted. $again"
own=$(readlink /proc/self/ns/pid 2> /dev/null)
[ "${own:-$namespace}" = "$namespace" ] ||
    fail "RELION's container has its own process id namespace, which hides the launcher, so this job was not submitted. Remove --pid or --containall from Apptainer's options."
launcher_lives ||
    fail "the launcher of this RELION session (process $pid) has ended, so this job was not submitted. $again"

folder=$(pwd -P)
case $folder$script in
    *"$newline"*) fail "the path of this job contains a line break, so the job was not submitted. Rename the job's folder." ;;
esac
name=$$-$(date +%s)
request=$session/requests/$name
reply=$session/replies/$name
{
    printf '%s\n%s\n' "$folder" "$script" > "$session/requests/.$name" &&
        mv "$session/requests/.$name" "$request"
} || fail "cannot write to $session, so this job was not submitted. $again"
# Opened for both, a FIFO keeps nobody waiting. Unheard, the launcher looks by itself soon.
{ echo 1<> "$session/bell"; } 2> /dev/null

gone() {
    # The reply may have come between our last look for it and the launcher's end.
    [ -e "$reply.status" ] && return
    # What was not taken yet is withdrawn; what cannot be withdrawn was taken.
    rm "$request" 2> /dev/null && fail "$1, so this job was not submitted. $again"
    fail "$1 while it submitted this job: check whether the queue has the job before you submit the job again. $again"
}
trap 'gone "RELION was stopped"' TERM

polls=0
while [ ! -e "$reply.status" ]; do
    launcher_lives || gone "the launcher of this RELION session (process $pid) has ended"
    pause=0.5
    [ $((polls += 1)) -gt 100 ] || pause=0.02
    sleep $pause 2> /dev/null || sleep 1
done
trap '' TERM
cat "$reply.out"
cat "$reply.err" >&2
read -r status < "$reply.status"
if [ "$status" != 0 ]; then
    # Whatever refuses a job tells RELION itself; a hook that could not start or broke cannot.
    told=no
    for file in "$job"/RELION_JOB_EXIT_*; do [ ! -e "$file" ] || told=yes; done
    if [ $told = no ]; then
        { cat "$reply.err" >> "$job/run.err"; } 2> /dev/null
        (fail "the queue command outside the container ended with status $status.")
    fi
fi
rm -f "$reply.out" "$reply.err" "$reply.status"
exit "$status"
