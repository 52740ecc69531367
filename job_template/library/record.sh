# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings

# Writes how the run went to this run's own file; readers of dispatch.json read both files. Lines
# "KEY VALUE", and "gpu NODE UUID SAMPLES PEAK_BYTES MEAN_PERCENT RANKS PREDICTED_BYTES" for each GPU.
write_run() {
    local file=$dispatch_folder/dispatch.run.$dispatch_token new text gpu='^[^ ]+ [^ ]+( [0-9-]+){5}$'
    new=$dispatch_folder/.dispatch.run.$dispatch_token.new
    text=$(
        run_value token "$dispatch_token"
        run_value started "${dispatch_started:-}"
        run_value ended "$(date -u +%FT%T+00:00)"
        run_value host "$dispatch_host"
        run_value scheduler_job_id "$dispatch_scheduler_job"
        run_value exit_status "$dispatch_status"
        run_value ending "$dispatch_ending"
        run_value reason "$dispatch_reason"
        while read -r line; do
            [[ ! $line =~ $gpu ]] || run_value gpu "$line"
        done <<<"${dispatch_gpu_usage:-}"
    )
    rm -f "$new"
    printf '%s\n' "$text" | new_file "$new" && mv -fT "$new" "$file"
    rm -f "$new"
    remove_unfinished
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
