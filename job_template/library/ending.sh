# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# The steps with which a job ends, for whatever reason. The scheduler may send KILL soon, so RELION is told
# first.
finish() {
    dispatch_exit=$?
    set +eu +o pipefail # these are for the lines of a site's own template
    [ "$dispatch_status" -ne 0 ] || dispatch_status=$dispatch_exit
    heed_no_signals
    trap - EXIT
    end_guard
    [ -n "$dispatch_cut" ] || tell_relion
    end_processes 2>/dev/null
    [ -n "$dispatch_cut" ] || tell_relion # again, because the last of them may have written a file too
    explain
    [ -z "$dispatch_uses_scratch" ] || on_each_node remove_scratch 2>/dev/null
    leave_gpus
    ! declare -F dispatch_epilogue >/dev/null || dispatch_epilogue # of a site's own template
    write_run 2>/dev/null
    if [ -n "$dispatch_cut" ]; then
        go_on
    else
        end_lease
    fi
    dismiss_watcher 2>/dev/null
    dismiss_next_runs 2>/dev/null
    exit "$(status_for_scheduler "$dispatch_status")"
}

# Whether a program has said that this is the job's end: one of RELION's, or the Pipeliner's job runner.
program_said_end() {
    end_is_told "$1" || { relion_waits && [ -e "$dispatch_kept/RELION_JOB_EXIT_$1" ]; }
}

decide_ending() {
    if ! relion_waits && end_is_told SUCCESS; then # the Pipeliner may have seen it, whatever happened since
        dispatch_ending=SUCCESS dispatch_status=0
    elif program_said_end ABORTED || [ -e "$dispatch_kept/RELION_JOB_ABORTED" ] ||
        { [ "$dispatch_status" -ne 0 ] && abort_was_wanted; }; then
        dispatch_ending=ABORTED
    elif [ "$dispatch_status" -ne 0 ] || program_said_end FAILURE; then
        [ "$dispatch_status" -ne 0 ] || dispatch_status=1
        dispatch_ending=FAILURE
    else
        dispatch_ending=SUCCESS
    fi
}

# The Pipeliner's job runner removes its abort file, so what the guard has seen counts.
abort_was_wanted() { wants_abort || [ -e "$dispatch_kept/RELION_JOB_ABORT_NOW" ]; }

# RELION waits for exactly one of three files, and believes SUCCESS before the others.
tell_relion() {
    local other dispatch_end_file
    ls "$dispatch_folder/" >/dev/null # makes a network file system look again
    ! overtaken || return 0
    [ -n "$dispatch_ending" ] || decide_ending
    for other in SUCCESS FAILURE ABORTED; do
        [ "$other" != "$dispatch_ending" ] || continue
        remove_name "$dispatch_folder/RELION_JOB_EXIT_$other"
        relion_waits || { end_file PIPELINER "$other"; remove_name "$dispatch_end_file"; }
    done
    # The guard, which was ended, may still have passed an abort on to the job runner.
    relion_waits || remove_name "$dispatch_folder/PIPELINER_JOB_ABORT_NOW"
    # Only once: RELION's user may continue the job while this script still ends its processes.
    [ -n "$dispatch_told" ] || ! make_exit_file "$dispatch_ending" || dispatch_told=yes
}

# MPI puts each rank in a process group of its own, so ranks outlive an mpirun that was killed; but
# they stay in this script's session, which only holds the job if this script leads it, or if the
# scheduler made it.
find_session() {
    dispatch_session=$(ps -o sid= -p $$ | tr -d ' ')
    [ "$dispatch_session" = $$ ] || scheduler_made_session || dispatch_session=
}

end_processes() {
    local process
    [ -n "$dispatch_session" ] || return 0
    for process in $(pgrep -u "$(id -u)" -s "$dispatch_session"); do
        case $process in
        "$$" | "$PPID" | "$BASHPID") ;;
        *) kill -KILL "$process" 2>/dev/null ;;
        esac
    done
}
