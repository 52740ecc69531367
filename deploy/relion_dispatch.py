#!/bin/sh
''':' 2>/dev/null
# The command that RELION calls: RELION_QSUB_COMMAND=…/relion_dispatch.py
# A shell script first, so that it starts in a Python of the dispatcher's own, whatever conda or
# PYTHONPATH the user has loaded: $RELION_DISPATCH_PYTHON, the one installed beside this file, the
# checkout's .venv, else the system's. Python itself reads all this as a docstring.
trap '' TERM HUP INT # until dispatcher/hook.py can tell RELION of a signal
damage='there is no python3 on this machine: ask your admin for one, or for the dispatcher in its image.'
if [ "${1-}" = --damaged ]; then # what this file is for Python calls this file for the shell
    damage=$2
    shift 2
else
    file=$(readlink -f "$0")
    here=${file%/*}
    for python in "${RELION_DISPATCH_PYTHON:-}" "$here/python" "$here/../.venv/bin/python" /usr/bin/python3; do
        [ -x "$python" ] && exec "$python" -I -X utf8 "$here/relion_dispatch.py" "$@"
    done
    command -v python3 > /dev/null && exec python3 -I -X utf8 "$here/relion_dispatch.py" "$@"
fi

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

for script; do :; done
case ${script:-} in
    */*) job=${script%/*} ;;
    *) job=. ;;
esac
[ -z "${script:-}" ] || tell_relion "$job" "${script##*/}" "$damage"
echo "relion-dispatch: $damage" >&2
exit 1
'''

import os
import sys
from pathlib import Path

checkout = Path(__file__).resolve().parent.parent
if (checkout / "dispatcher" / "hook.py").is_file():
    sys.path.insert(0, str(checkout))

try:
    from dispatcher.hook import main
except BaseException as error:  # RELION must learn of a damaged installation all the same
    sys.excepthook(type(error), error, error.__traceback__)
    damage = f"The installation of relion-dispatch is damaged ({error!a}): tell your admin."
    os.execv("/bin/sh", ["sh", __file__, "--damaged", damage, *sys.argv[1:]])

sys.exit(main(sys.argv[1:]))
