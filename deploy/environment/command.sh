#!/bin/sh
# @NAME@ of the installation in @PREFIX@. Written by deploy/install.sh.
if [ -z "${RELION_DISPATCH_SITE:-}" ] && [ -d "@PREFIX@/etc/relion-dispatch" ]; then
    RELION_DISPATCH_SITE=@PREFIX@/etc/relion-dispatch
    export RELION_DISPATCH_SITE
fi
@APPTAINER@
export RELION_DISPATCH_TEMPLATE=@PREFIX@/share/relion_template.sh # what `template` prints
program=@PROGRAMS@/@NAME@
[ ! -x "$program" ] || exec "$program" "$@"

# RELION looks at no exit status: without the files below its job would be Running for ever.
message="relion-dispatch: $program is missing: tell your admin to run deploy/install.sh again."
echo "$message" >&2
for script; do :; done
case ${script:-} in
    */*) job=${script%/*} ;;
    *) job=. ;;
esac
folder_name=${script:+$(cd "$job" 2> /dev/null && pwd)}
case ${folder_name##*/} in # the rule of dispatcher/refusal.py
    job*[!0-9]*) ;;
    job[0-9][0-9][0-9]*)
        echo "$message" >> "$job/run.err"
        : > "$job/RELION_JOB_EXIT_FAILURE"
        ;;
esac
exit 1
