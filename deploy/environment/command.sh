#!/bin/sh
# @NAME@ of the installation in @PREFIX@. Written by deploy/install.sh.
if [ -z "${RELION_DISPATCH_SITE:-}" ] && [ -d "@PREFIX@/etc/relion-dispatch" ]; then
    RELION_DISPATCH_SITE=@PREFIX@/etc/relion-dispatch
    export RELION_DISPATCH_SITE
fi
@APPTAINER@
export RELION_DISPATCH_TEMPLATE=@PREFIX@/share/relion_template.sh # what `template` prints
export RELION_DISPATCH_SCHEMAS=@PREFIX@/share/schemas # what "$schema" of the site's files leads to
program=@PROGRAMS@/@NAME@
[ ! -x "$program" ] || exec "$program" "$@"

# RELION looks at no exit status: without the files below its job would be Running for ever.
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

trap '' TERM HUP INT
message="$program is missing: tell your admin to run deploy/install.sh again."
for script; do :; done
case ${script:-} in
    */*) job=${script%/*} ;;
    *) job=. ;;
esac
[ -z "${script:-}" ] || tell_relion "$job" "${script##*/}" "$message"
echo "relion-dispatch: $message" >&2
exit 1
