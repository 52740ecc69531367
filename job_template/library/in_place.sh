# shellcheck shell=bash disable=SC2154 # the job script makes the settings
# How the next run begins at once, in the place of this one: the same process starts the same script anew, with the
# environment that it was given, and keeps what the scheduler has given the job, and the job's place in the queue.

# Bash reads its script from descriptor 255. The file may change while the job runs, so its text is kept, if it is needed.
remember_script() {
    dispatch_script=''
    survives gpu_memory || survives host_memory || return 0
    [ -f "/proc/$$/fd/255" ] || return 0
    dispatch_script=$(tr -d '\0' <"/proc/$$/fd/255")
    [[ $dispatch_script == *"dispatch_token=$dispatch_token"* ]] || dispatch_script=''
    SECONDS=$(($(ps -o etimes= -p $$))) # the time limit is that of all runs of this process
} 2>/dev/null

may_begin_in_place() { [ -n "${dispatch_script:-}" ]; }

# Returns if it cannot. Signals that this process ignores, the next one could not heed.
begin_next_run() {
    local script each given=() arguments=("$dispatch_job/run_submit.script.run" "$dispatch_token")
    script=$(mktemp) || return 1
    printf '%s\n' "$dispatch_script" >"$script" && exec {dispatch_opened}<"$script" || dispatch_opened=''
    rm -f "$script"
    [ -n "$dispatch_opened" ] || return 1
    while IFS= read -rd '' each; do
        [[ $each != *=* ]] || given+=("$each")
    done <"/proc/$$/environ"
    [ -z "$dispatch_lock" ] || exec 9>&- # the lock of local jobs, for which the next run waits in turn
    trap : TERM INT HUP USR1 USR2 RTMIN+1 RTMIN+2 RTMIN+3
    shopt -s execfail
    # These are those by which the job is found on a machine without a scheduler. Of next runs in a queue it
    # is the job that they have waited for.
    [ -z "${dispatch_queued_ahead:-}" ] || arguments=("$dispatch_follows")
    exec env -i -- "${given[@]}" "$BASH" "/proc/self/fd/$dispatch_opened" "${arguments[@]}"
}
