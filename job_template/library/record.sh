# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# Writes how the run went; readers of dispatch.json read that file as well. Of a run that the next one has followed
# meanwhile, only the next run reads it.
write_run() {
    local number
    if next_run_has_begun; then
        ! is_awaited || write_record "$(record_of "$dispatch_run")" GOES_ON lost_node \
            "The run ended when the job's next run had begun, because its scheduler called its node lost."
    elif [ -n "$dispatch_cut" ]; then
        write_record "$(record_of "$dispatch_run")" GOES_ON "$dispatch_cut" "$dispatch_reason"
    else
        for ((number = dispatch_run - 1; number > 0; number--)); do # runs that were killed as they wrote
            rm -f "$(unfinished_record "$number")"
        done
        write_record "$dispatch_folder/dispatch.run.$dispatch_token" "$dispatch_ending" '' "$dispatch_reason"
    fi
    remove_unfinished
}

# Lines "KEY VALUE", and "gpu NODE UUID SAMPLES PEAK_BYTES MEAN_PERCENT RANKS PREDICTED_BYTES" for each GPU.
write_record() { # FILE ENDING WHY REASON
    local new text gpu='^[^ ]+ [^ ]+( [0-9-]+){5}$'
    new=$(unfinished_record "$dispatch_run")
    text=$(
        run_value token "$dispatch_token"
        run_value started "${dispatch_started:-}"
        run_value ended "$(date -u +%FT%T+00:00)"
        run_value host "$dispatch_host"
        run_value scheduler_job_id "$dispatch_scheduler_job"
        run_value exit_status "$dispatch_status"
        run_value ending "$2"
        run_value reason "$4"
        ! may_have_runs || values_of_run "$3"
        while read -r line; do
            [[ ! $line =~ $gpu ]] || run_value gpu "$line"
        done <<<"${dispatch_gpu_usage:-}"
    )
    rm -f "$new"
    printf '%s\n' "$text" | new_file "$new" && mv -fT "$new" "$1"
    rm -f "$new"
}

# Whether the next run, which has begun, still waits for this one's end, and will read what this one has reached. Else it
# has written the record itself.
is_awaited() { [ -e "$(lease_of "$dispatch_run")" ] && [ ! -e "$(record_of "$dispatch_run")" ]; }

# What the record of a job that goes on has beside the others: the next run reads some of it.
values_of_run() { # WHY it was cut, if it was
    run_value run "$dispatch_run"
    run_value why "$1"
    run_value from_iteration "${dispatch_from_iteration:-}"
    run_value to_iteration "${dispatch_to_iteration:-}"
    run_value ranks "${dispatch_ranks:-}"
    run_value "done" "$dispatch_done"
    run_value began_with "$dispatch_began_with"
    run_value idle_before "$dispatch_idle_before"
    values_of_limits
}

# What a hook, or `resume`, that was killed has left. One that lives writes while it has the lock.
remove_unfinished() (
    open_file "$dispatch_folder/.dispatch.json.lock" || return
    exec 7<>"$dispatch_opened" && flock -n 7 && ! overtaken || return
    rm -f "$dispatch_folder"/.{dispatch.json,.dispatch_{hook,watcher.*,line.*,id.*},run_submit.script.*,dispatch.run.*.*}.[0-9a-f]*
)

# A key without a value is left out.
run_value() { # KEY VALUE
    local LC_ALL=C # a control character is a byte
    [ -z "$2" ] || echo "$1 ${2//[[:cntrl:]]/ }"
}
