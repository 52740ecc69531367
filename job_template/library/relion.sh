# shellcheck shell=bash disable=SC2154 # the job script makes the settings
# How RELION is told. A watcher of a site's own, as of 0.2.0, has not opened the job's folder.

# The CCP-EM Pipeliner has such files, too. dispatch_waiting_program says which of them waits for the job's end: RELION,
# or the PIPELINER. For a job of the Pipeliner its own files count, as the programs that its job runner starts write
# RELION's at any time. (A site's own base.sh.j2 of before does not say it.)

relion_waits() { [ "${dispatch_waiting_program:-RELION}" = RELION ]; }

# The file that tells an end: sets dispatch_end_file.
end_file() { # RELION or PIPELINER, SUCCESS, FAILURE or ABORTED
    local told=$2
    [ "$1$2" != PIPELINERFAILURE ] || told=FAILED
    dispatch_end_file=${dispatch_folder:-$dispatch_job}/$1_JOB_EXIT_$told
}

# Whether the program that waits finds this end. (RELION sees no link to nothing.)
end_is_told() { # SUCCESS, FAILURE or ABORTED
    local dispatch_end_file
    end_file "${dispatch_waiting_program:-RELION}" "$1"
    [ -e "$dispatch_end_file" ]
}

# One of three files tells RELION the end. The job script makes this file; RELION's programs write theirs into
# the folder $dispatch_control, where RELION does not look.
relion_was_told() {
    ls "${dispatch_folder:-$dispatch_job}/" >/dev/null # makes a network file system look again
    end_is_told SUCCESS || end_is_told FAILURE || end_is_told ABORTED
}

wants_abort() {
    local folder=${dispatch_folder:-$dispatch_job}
    [ -e "$folder/RELION_JOB_ABORT_NOW" ] || [ -e "$folder/PIPELINER_JOB_ABORT_NOW" ]
}

# Renames a file that was made beforehand, which works also on a full disk; if that fails, renames the script. In a
# sticky folder, another user's link that leads nowhere stays: then another of the files ends RELION's waiting.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local folder=${dispatch_folder:-$dispatch_job} kept=${dispatch_kept:-$dispatch_control}
    local dispatch_end_file instead=ABORTED
    end_file "${dispatch_waiting_program:-RELION}" "$1"
    if [ ! -e "$dispatch_end_file" ]; then
        # The file gets its time before its name: from then on its user may remove the file. (A bare "return" gives
        # the status from before a trap.)
        { touch -c "$kept/ending"; mv -fT "$kept/ending" "$dispatch_end_file"; } 2>/dev/null ||
            new_file "$dispatch_end_file" </dev/null || [ -e "$dispatch_end_file" ] ||
            mv -fT "$folder/run_submit.script.run" "$dispatch_end_file" || {
            [ "$1" != ABORTED ] || instead=FAILURE
            end_file "${dispatch_waiting_program:-RELION}" "$instead"
            new_file "$dispatch_end_file" </dev/null || [ -e "$dispatch_end_file" ] || return 1
        }
    fi
    relion_waits || tell_relion_too "$1" "$dispatch_end_file"
    return 0
}

# RELION finds the same end. The Pipeliner's abort file goes, as when its job runner ends: else the job's next run
# would be aborted.
tell_relion_too() { # SUCCESS, FAILURE or ABORTED, FILE
    local other dispatch_end_file folder=${dispatch_folder:-$dispatch_job}
    for other in SUCCESS FAILURE ABORTED; do
        [ "$other" = "$1" ] || remove_name "$folder/RELION_JOB_EXIT_$other"
    done
    end_file RELION "$1"
    [ -e "$dispatch_end_file" ] || new_file "$dispatch_end_file" </dev/null || ln -P "$2" "$dispatch_end_file"
    remove_name "$folder/PIPELINER_JOB_ABORT_NOW"
} 2>/dev/null

# Prints the sentence that tells why the job ended, for run.err. RELION's window shows the last two or three rows of
# that file; of a sentence at its beginning it shows the last row alone. Behind empty lines no row is missing.
say_in_sight() { # SENTENCE
    printf '\n\n\nrelion-dispatch: %s\n' "$1"
}

# The same for run.out, if two rows may not hold the sentence: that field of the window has six.
say_if_long() { # SENTENCE
    local line="relion-dispatch: $1"
    [ ${#line} -le 180 ] || printf '%s\n' "$line" # as TWO_ROWS of dispatcher/refusal
}
