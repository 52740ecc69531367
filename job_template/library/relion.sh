# shellcheck shell=bash disable=SC2154 # the job script makes the settings
# How RELION is told. A watcher of a site's own, as of 0.2.0, has not opened the job's folder.

# One of three files tells RELION the end. The job script makes this file; RELION's programs write theirs into
# the folder $dispatch_control, where RELION does not look.
relion_was_told() {
    local file=${dispatch_folder:-$dispatch_job}/RELION_JOB_EXIT
    ls "${file%/*}/" >/dev/null # makes a network file system look again
    [ -e "${file}_SUCCESS" ] || [ -e "${file}_FAILURE" ] || [ -e "${file}_ABORTED" ] # RELION sees no link to nothing
}

# Renames a file that was made beforehand, which works also on a full disk; if that fails, renames the script. In a
# sticky folder, another user's link that leads nowhere stays: then another of the files ends RELION's waiting.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local folder=${dispatch_folder:-$dispatch_job} kept=${dispatch_kept:-$dispatch_control}
    local file=$folder/RELION_JOB_EXIT_$1 instead=ABORTED
    [ ! -e "$file" ] || return 0
    # The file gets its time before its name: from then on its user may remove the file. (A bare "return" gives
    # the status from before a trap.)
    { touch -c "$kept/ending"; mv -fT "$kept/ending" "$file"; } 2>/dev/null && return 0
    new_file "$file" </dev/null || [ -e "$file" ] || mv -fT "$folder/run_submit.script.run" "$file" && return 0
    [ "$1" != ABORTED ] || instead=FAILURE
    new_file "$folder/RELION_JOB_EXIT_$instead" </dev/null || [ -e "$folder/RELION_JOB_EXIT_$instead" ]
}

# Prints the sentence that tells why the job ended, for run.err. RELION's window shows the last two or three rows of
# that file; of a sentence at its beginning it shows the last row alone. Behind empty lines no row is missing.
say_in_sight() { # SENTENCE
    printf '\n\n\nrelion-dispatch: %s\n' "$1"
}

# The same for run.out, if two rows may not hold the sentence: that field of the window has six.
say_if_long() { # SENTENCE
    [ ${#1} -le 160 ] || printf 'relion-dispatch: %s\n' "$1"
}
