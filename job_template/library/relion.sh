# shellcheck shell=bash disable=SC2154 # the job script makes the settings

# How RELION is told the end: by one of three files. The job script makes it; RELION's programs put
# theirs into the folder $dispatch_control, in which RELION does not look.
relion_was_told() {
    ls "$dispatch_job" >/dev/null # makes a network file system look again
    compgen -G "$dispatch_job/RELION_JOB_EXIT_*" >/dev/null
}

# A file made beforehand is renamed, which works on a full disk as well; if all else fails, the script.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local file=$dispatch_job/RELION_JOB_EXIT_$1
    [ ! -e "$file" ] || return 0
    mv "$dispatch_control/ending" "$file" 2>/dev/null
    touch "$file" || [ -e "$file" ] || mv "$dispatch_job/run_submit.script.run" "$file"
}
