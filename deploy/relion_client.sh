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

# Tell RELION, by its exit file, and then its user: the rule, the order and the means of
# dispatcher/refusal/. The programs that refuse jobs without Python have this same text.
tell_relion() ( # FOLDER SCRIPT SENTENCE
    CDPATH='' cd -- "$1" 2> /dev/null || exit
    case ${PWD##*/} in
        job*[!0-9]*) exit ;;
        job[0-9][0-9][0-9]*) ;;
        *) exit ;;
    esac
    set -C # what is made is new: nothing is emptied, and no link is followed; `:` would end the shell
    # Opened for both ways, a pipe keeps nobody waiting. What was opened is looked at, to be opened anew.
    named='' opened=''
    if [ -f run.err ] && [ ! -L run.err ] && [ -w run.err ] && command exec 3<> run.err; then
        named=$(stat -c '%d %i %f %h' run.err 2> /dev/null)
        opened=$(stat -L -c '%d %i %f %h' /proc/self/fd/3 2> /dev/null)
        # In a container that is being torn down nothing starts: then the looks above must do.
        case ${named:-' 8??? 1'} in
            *" 8"???" 1") [ "$named" = "$opened" ] && opened=yes ;; # a regular file of one name
        esac
    fi
    # The CCP-EM Pipeliner looks for a file of its own: the rule of pipeliner_job in dispatcher/refusal/tell_end.py.
    pipeliner='' between_words=$(printf ' \t\r\42\47;&|<>')
    set -f
    [ ! -f "$2" ] || while IFS= read -r line || [ -n "$line" ]; do
        IFS=$between_words before=''
        for word in $line; do
            case $word in
                '') continue ;;
                '#'*) break ;;
                [!/]*/job.star | [!/]*/run.job)
                    [ "${before##*/}" != job_runner.py ] || pipeliner=PIPELINER_JOB_EXIT_FAILED
                    ;;
            esac
            before=$word
        done
    done 2> /dev/null < "$2"
    for file in $pipeliner RELION_JOB_EXIT_FAILURE; do
        [ ! -e "$file" ] || continue
        rm -f "$file" # a link that leads nowhere, which RELION does not see
        { true > "$file"; } 2> /dev/null ||
            ln -P -- "$2" "$file" 2> /dev/null ||
            mv -f -- "$2.run" "$file" 2> /dev/null ||
            mv -f -- "$2" "$file" 2> /dev/null ||
            { true > RELION_JOB_EXIT_ABORTED; } 2> /dev/null || [ -e RELION_JOB_EXIT_ABORTED ] ||
            echo "relion-dispatch: $file cannot be made: mark the job as failed in RELION." >&2
    done
    if [ "$opened" = yes ]; then
        printf '\n\n\nrelion-dispatch: %s\n' "$3" >> /proc/self/fd/3
    else # what is no such file gets another name
        number=1
        while [ -e run.err.$number ] || [ -L run.err.$number ]; do number=$((number + 1)); done
        mv run.err run.err.$number
        [ -e run.err ] || [ -L run.err ] || printf '\n\n\nrelion-dispatch: %s\n' "$3" > run.err
    fi 2> /dev/null
)

fail() {
    trap '' TERM INT
    tell_relion "$job" "${script##*/}" "$1"
    echo "relion-dispatch: $1" >&2
    exit 1
}
trap 'fail "RELION was stopped, so this job was not submitted: submit the job again."' TERM INT

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
trap 'gone "RELION was stopped"' TERM INT

polls=0
while [ ! -e "$reply.status" ]; do
    launcher_lives || gone "the launcher of this RELION session (process $pid) has ended"
    pause=0.5
    [ $((polls += 1)) -gt 100 ] || pause=0.02
    sleep $pause 2> /dev/null || sleep 1
done
trap '' TERM INT
cat "$reply.out"
cat "$reply.err" >&2
read -r status < "$reply.status"
if [ "$status" != 0 ]; then
    # Whatever refuses a job tells RELION itself; a hook that could not start or broke cannot.
    told=no
    for file in "$job"/RELION_JOB_EXIT_*; do [ ! -e "$file" ] || told=yes; done
    if [ $told = no ]; then
        said=$(tail -n 1 "$reply.err")
        (fail "the queue command outside the container ended with status $status: ${said:-it said nothing}.")
    fi
fi
rm -f "$reply.out" "$reply.err" "$reply.status"
exit "$status"
