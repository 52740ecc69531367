# shellcheck shell=bash disable=SC2154 # the job script makes the settings

# One of three files tells RELION the end. The job script makes this file; RELION's programs write theirs into
# the folder $dispatch_control, where RELION does not look.
relion_was_told() {
    ls "$dispatch_job" >/dev/null # makes a network file system look again
    compgen -G "$dispatch_job/RELION_JOB_EXIT_*" >/dev/null
}

# Renames a file that was made beforehand, which works also on a full disk; if that fails, renames the script.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local file=$dispatch_job/RELION_JOB_EXIT_$1
    [ ! -e "$file" ] || return 0
    # The file gets its time before its name: from then on its user may remove the file. (A bare "return" gives
    # the status from before a trap.)
    { touch -c "$dispatch_control/ending"; mv -T "$dispatch_control/ending" "$file"; } 2>/dev/null && return 0
    touch "$file" || [ -e "$file" ] || mv "$dispatch_job/run_submit.script.run" "$file"
}
