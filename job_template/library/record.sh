# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# Writes how the run went to this run's own file; readers of dispatch.json read both files. Lines
# "KEY VALUE", and "gpu NODE UUID SAMPLES PEAK_BYTES MEAN_PERCENT RANKS PREDICTED_BYTES" for each GPU.
write_run() {
    local file=$dispatch_folder/dispatch.run.$dispatch_token new text gpu='^[^ ]+ [^ ]+( [0-9-]+){5}$'
    if next_run_has_begun; then
        is_awaited || return 0
        local dispatch_cut=lost_node dispatch_ending=''
        local dispatch_reason="The run ended when the job's next run had begun, because its scheduler called its node lost."
    fi
    [ -z "$dispatch_cut" ] || file=$(record_of "$dispatch_run")
    new=$dispatch_folder/.dispatch.run.$dispatch_token.new
    text=$(
        run_value token "$dispatch_token"
        run_value started "${dispatch_started:-}"
        run_value ended "$(date -u +%FT%T+00:00)"
        run_value host "$dispatch_host"
        run_value scheduler_job_id "$dispatch_scheduler_job"
        run_value exit_status "$dispatch_status"
        run_value ending "${dispatch_cut:+GOES_ON}$dispatch_ending"
        run_value reason "$dispatch_reason"
        ! may_have_runs || values_of_run
        while read -r line; do
            [[ ! $line =~ $gpu ]] || run_value gpu "$line"
        done <<<"${dispatch_gpu_usage:-}"
    )
    rm -f "$new"
    printf '%s\n' "$text" | new_file "$new" && mv -fT "$new" "$file"
    rm -f "$new"
    remove_unfinished
}

# Whether the next run, which has begun, still waits for this one's end, and will read what this one has reached. Else it
# has written the record itself.
is_awaited() { [ -e "$(lease_of "$dispatch_run")" ] && [ ! -e "$(record_of "$dispatch_run")" ]; }

# What the record of a job that goes on has beside the others: the next run reads some of it.
values_of_run() {
    run_value run "$dispatch_run"
    run_value why "$dispatch_cut"
    run_value from_iteration "${dispatch_from_iteration:-}"
    run_value to_iteration "${dispatch_to_iteration:-}"
    run_value ranks "${dispatch_ranks:-}"
    run_value "done" "$dispatch_done"
    run_value began_with "$dispatch_began_with"
    run_value idle_before "$dispatch_idle_before"
    values_of_limits
}

# What a hook that was killed has left. A hook that lives writes while it has the lock.
remove_unfinished() (
    open_file "$dispatch_folder/.dispatch.json.lock" || return
    exec 7<>"$dispatch_opened" && flock -n 7 && ! overtaken || return
    rm -f "$dispatch_folder"/.{dispatch.json,.dispatch_{hook,watcher.*,id.*},run_submit.script.*}.[0-9a-f]*
)

# A key without a value is left out.
run_value() { # KEY VALUE
    local LC_ALL=C # a control character is a byte
    [ -z "$2" ] || echo "$1 ${2//[[:cntrl:]]/ }"
}
