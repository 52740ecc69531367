#!/bin/sh
# The dispatcher in its appliance image, for hosts without a usable Python: RELION calls this file as
# relion_dispatch.py, people call it as relion-dispatch. Everything is decided inside the image; what
# belongs on the host (the submit command, Apptainer itself, jobs on this machine) is run out here, by
# this shell. dispatcher/host/appliance.py is the other side, and tells what lies in their folder.
#
#   RELION_DISPATCH_APPLIANCE   the image; else dispatcher.sif beside this file
#   RELION_DISPATCH_APPTAINER   apptainer; else the one on PATH
#   RELION_DISPATCH_SITE        the site's folder; else /etc/relion-dispatch
#   RELION_DISPATCH_FOLDERS     folders that the image may see, with a colon between; else all of the
#                               host's but the system's own
set -u
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
    trap '' TERM HUP INT
    [ -z "$script" ] || tell_relion "$job" "${script##*/}" "$1"
    echo "relion-dispatch: $1" >&2
    exit 1
}

hook=no
[ "${0##*/}" != relion_dispatch.py ] || hook=yes
script=
[ $hook = no ] || for script; do :; done # the last argument
case $script in
    */*) job=${script%/*} ;;
    *) job=. ;;
esac
trap 'fail "The submission was interrupted before it began: submit the job again."' TERM HUP INT
python=/usr/lib/relion-dispatch/bin/python
file=$(readlink -f "$0")
here=${file%/*}
[ -e /proc/$$/fd/0 ] || exec < /dev/null # closed, as a daemon may have it

image=${RELION_DISPATCH_APPLIANCE:-$here/dispatcher.sif}
[ -r "$image" ] ||
    fail "the dispatcher's image $image does not exist or cannot be read: tell your admin."
apptainer=${RELION_DISPATCH_APPTAINER:-}
for candidate in apptainer /usr/local/bin/apptainer /usr/bin/apptainer; do
    [ -n "$apptainer" ] || apptainer=$(command -v "$candidate")
done
[ -n "$apptainer" ] ||
    fail "Apptainer is not found: load its module, or ask your admin to name the program in RELION_DISPATCH_APPTAINER."

site=${RELION_DISPATCH_SITE:-}

folder=$(umask 077 && mktemp -d "${TMPDIR:-/tmp}/relion-dispatch-host.XXXXXX") ||
    fail "no folder can be made in ${TMPDIR:-/tmp}, so nothing was done: free space there."
trap 'rm -rf "$folder"' EXIT
if ! mkfifo "$folder/bell" || ! echo $$ > "$folder/shell"; then
    fail "$folder cannot be filled, so nothing was done: free space there."
fi

field() { # NAME PATH: a field of --mount, which is a line of CSV
    case $2 in
        *[,\"]*) printf '"%s=%s"' "$1" "$(printf '%s' "$2" | sed 's/"/""/g')" ;;
        *) printf '%s=%s' "$1" "$2" ;;
    esac
}

# What the image sees of the host: all but the system's own folders, a path a line.
shown() {
    if [ -n "${RELION_DISPATCH_FOLDERS:-}" ]; then
        printf '%s\n' "$RELION_DISPATCH_FOLDERS" | tr : '\n'
    else
        for candidate in /*; do
            case $candidate in
                /bin | /boot | /dev | /etc | /lib | /lib[0-9]* | /libx32 | /lost+found) ;;
                /proc | /root | /run | /sbin | /sys | /tmp | /usr | /var) ;;
                *) echo "$candidate" ;;
            esac
        done
    fi
    printf '%s\n' "$folder" "$PWD" "$here" "$site" /etc/relion-dispatch
    # A job's folder may be a link to a place that is none of these.
    case $script in */*) (cd -P "${script%/*}" 2> /dev/null && pwd -P) ;; esac
    printf '%s\n' "${HOME:-}" "${XDG_CACHE_HOME:-}" "${RELION_DISPATCH_RUNTIME:-}"
}

# The arguments of apptainer, from the last to the first.
if [ $hook = yes ]; then
    start='import sys; from dispatcher.hook import main; sys.exit(main(sys.argv[1:]))'
    set -- "$python" -I -X utf8 -c "$start" "$@"
else
    set -- "$python" -I -X utf8 -m dispatcher "$@"
fi
set -- "--pwd=$PWD" "$image" "$@"
shown > "$folder/shown"
mounted='
'
while IFS= read -r path; do
    case $mounted in
        *"
$path
"*) continue ;;
    esac
    case $path in
        [!/]* | / | '') continue ;;
    esac
    if [ ! -d "$path" ] || [ ! -r "$path" ] || [ ! -x "$path" ]; then continue; fi
    mounted=$mounted$path'
'
    set -- "--mount=type=bind,$(field source "$path"),$(field destination "$path")" "$@"
done < "$folder/shown"

# Runs one request, in a shell of its own; the last thing said is the status.
serve() { # NAME
    trap - EXIT TERM HUP INT
    exec 4<&-
    answer=$folder/$1
    : > "$answer.out"
    : > "$answer.err"
    how='' seconds='' directory='' opened='' descriptor='' given=/dev/null
    # shellcheck disable=SC1090 # sets these, and the arguments
    . "$answer.request"
    status=missing
    [ "$how" != which ] || status=1
    if cd "$directory" 2> /dev/null && program=$(command -v "$1"); then
        case $how in
            which)
                echo "$program" > "$answer.out"
                status=0
                ;;
            run)
                if [ -n "$seconds" ]; then
                    timeout -k 5 "$seconds" "$@" < "$given" > "$answer.out" 2> "$answer.err" 5<&-
                    status=$?
                    # 137: it did not heed the first signal
                    case $status in 124 | 137) status=timeout ;; esac
                else
                    "$@" < "$given" > "$answer.out" 2> "$answer.err" 5<&-
                    status=$?
                fi
                ;;
            detached)
                setsid "$@" < /dev/null > /dev/null 2>&1 5<&- &
                echo $! > "$answer.out"
                status=0
                ;;
            attached)
                # bash, for descriptors of more than one digit.
                # shellcheck disable=SC2016
                bash -c 'echo $$ > "$1.pid"
                    [ -z "$2" ] || eval "exec $3< \"\$2\""
                    shift 3
                    exec "$@"' bash "$answer" "$opened" "$descriptor" "$@" <&5 5<&-
                status=$?
                ;;
        esac
    fi
    # Without an answer, on a full disk, those inside would wait for ever.
    { echo "$status" > "$answer.new" && mv "$answer.new" "$answer.status"; } ||
        kill -TERM "$container"
}

lives() { # PID
    { read -r stat < "/proc/$1/stat"; } 2> /dev/null || return 1
    case ${stat##*) } in Z* | X*) return 1 ;; esac
}

# The container holds the bell's end for writing: when it ends, however that is, nothing more can be
# read here. Standard error of the hook is kept, for what Apptainer itself may have to say in it.
exec 5<&0
said=$folder/said
(
    trap - EXIT
    exec 3> "$folder/bell"
    [ $hook = no ] || exec 2> "$said"
    # These would keep the site's folder and variables, or this shell, out of its sight, or stop it by a
    # folder that is not here. The others are those of dispatcher/config/apptainer_variables.py.
    for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
        case $name in
            APPTAINER_* | SINGULARITY_*)
                case ${name#*_} in
                    TMPDIR | CACHEDIR | CONFIGDIR | KEYSDIR | SYPGPDIR | NO_PRIVS) continue ;;
                esac
                unset "$name"
                ;;
            APPTAINER* | SINGULARITY* | LD_PRELOAD | LD_AUDIT) unset "$name" ;;
        esac
    done
    export APPTAINERENV_RELION_DISPATCH_HOST="$folder"
    exec "$apptainer" --quiet exec --no-eval "$@" <&5 5<&-
) &
container=$!
trap 'kill -TERM "$container" 2> /dev/null' TERM HUP INT
exec 4< "$folder/bell"
while :; do
    if read -r name <&4; then
        serve "$name" &
        { echo $! > "$folder/$name.server"; } 2> /dev/null # who waits for the answer looks whether it lives
    elif lives "$container"; then
        sleep 0.05 # a signal broke off the reading
    else
        break
    fi
done
wait "$container"
status=$?
for running in "$folder"/*.pid; do
    [ ! -e "$running" ] || [ -e "${running%pid}status" ] || kill -TERM "$(cat "$running")" 2> /dev/null
done

[ $hook = yes ] || exit $status
cat "$said" >&2
[ $status -ne 0 ] && [ -n "$script" ] || exit $status
# Whatever refuses a job tells RELION itself, unless it sees no job folder; a container that did not
# start, or was killed, cannot.
for told in "$job"/RELION_JOB_EXIT_*; do [ ! -e "$told" ] || exit $status; done
reason=$(sed -n 's/^relion-dispatch: //p' "$said" | tail -n 1)
[ -z "$reason" ] || fail "$reason"
fail "the dispatcher's image ended with status $status ($(tail -n 1 "$said")): check whether the queue has the job before you submit the job again, and show this line to your admin."
