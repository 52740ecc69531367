# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# The keeper runs beside the ranks, one on each node, for MPS and to watch the GPUs. It has its own session,
# so that it is not ended together with the ranks and has time to clean up. It ends with the job script, which
# holds the pipe that the keeper reads.

start_keeper() {
    local dispatch_each_node=()
    words_for_each_node
    know_container
    dispatch_mps_folder=${dispatch_mps:+/tmp/relion-mps.$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')}
    dispatch_mps_logs=mps_log
    coproc dispatch_keeper {
        exec 9>&- # the lock of local jobs
        # shellcheck disable=SC2016 # for the bash that is started here, which gets the functions
        set -- bash -c 'eval "$dispatch_functions"; unset dispatch_functions; keep_gpus "$@"' \
            keep_gpus "$dispatch_mps_folder" "$dispatch_mps_logs" "$dispatch_gpus" "$dispatch_watch_gpus"
        dispatch_functions=$(functions_for_a_node) exec setsid "${dispatch_each_node[@]}" "$@"
    }
    dispatch_keeper_pid=$!
    exec {dispatch_answers}<&"${dispatch_keeper[0]}"
}

# Looks after a node's GPUs until the script says how the job ended, or has ended itself. FOLDER is empty
# without MPS; WATCH is empty if the GPUs are not watched.
keep_gpus() { # FOLDER LOGS GPUS WATCH
    local gpus uuids given why=''
    enter_job
    folder=$1 logs=$2_$(uname -n) sampler='' ending=failed
    gpus=$(visible_gpus "$3")
    uuids=$(awk '/^GPU-/ { print $1 }' <<<"$gpus" | paste -sd,)
    trap 'exit 143' TERM INT HUP
    trap end_keeping EXIT
    if [ -n "$folder" ] && [ "$gpus" != none ]; then
        mps_clean # first, because a dead job's daemon would block this one
        given=$(given_mps)
        [ -n "$given" ] || why=$(mps_obstacle "$uuids" "$gpus")
        if [ -n "$given" ]; then
            why=$(mps_take "$folder" "$given")
        elif [ -z "$why" ]; then
            why=$(mps_start "$folder" "$uuids" "$logs")
        fi
        [ -n "$why" ] || why=$(mps_unseen "$folder")
    fi
    if [ -n "$4" ] && [ -n "$uuids" ]; then
        sample_gpus "$uuids" </dev/null &
        sampler=$!
    fi
    echo "$(tell_of_gpus "$gpus") $why"
    read -r ending
}

end_keeping() {
    trap '' TERM INT HUP
    [ -z "$sampler" ] || kill "$sampler" 2>/dev/null
    [ ! -O "$folder" ] || mps_end "$folder" "$logs" "$ending"
}

# Reads memory and utilisation of each GPU every 5 s, and adds them up when nvidia-smi ends. The loop is in
# bash, because awk may wait for more lines. If the keeper has ended, both end by themselves.
sample_gpus() { # UUIDS
    exec stdbuf -oL nvidia-smi --id="$1" --query-gpu=uuid,memory.used,utilization.gpu \
        --format=csv,noheader,nounits -l 5 2>/dev/null > >(sum_up_samples)
}

# Prints "gpu NODE UUID SAMPLES PEAK_BYTES MEAN_PERCENT" for each GPU.
sum_up_samples() {
    local gpu memory use node
    local -A samples peak sum counted
    while IFS=', ' read -r gpu memory use; do
        samples[$gpu]=$((${samples[$gpu]:-0} + 1))
        [[ $memory != [0-9]* || $memory -le ${peak[$gpu]:-0} ]] || peak[$gpu]=$memory
        [[ $use != [0-9]* ]] || { sum[$gpu]=$((${sum[$gpu]:-0} + use)); counted[$gpu]=$((${counted[$gpu]:-0} + 1)); }
        kill -0 $$ 2>/dev/null || break
    done
    node=$(uname -n)
    for gpu in "${!samples[@]}"; do
        memory=- use=-
        [ -z "${peak[$gpu]:-}" ] || memory=$((peak[$gpu] * 1048576))
        [ -z "${counted[$gpu]:-}" ] || use=$((sum[$gpu] / counted[$gpu]))
        echo "gpu $node $gpu ${samples[$gpu]} $memory $use"
    done | sort
}

# Tells the keepers how the job ended, and reads what they have counted: a line for each GPU.
end_keeper() {
    local line
    trap '' PIPE
    if [ -n "${dispatch_keeper[1]:-}" ]; then # unset once bash knows that the keeper ended
        [ "$dispatch_status" -ne 0 ] || echo well >&"${dispatch_keeper[1]}"
        eval "exec ${dispatch_keeper[1]}>&-"
    fi 2>/dev/null
    kill -0 "$dispatch_keeper_pid" 2>/dev/null || pkill -s "$dispatch_keeper_pid" nvidia-smi
    while read -r -t 10 -u "$dispatch_answers" line; do
        [[ $line != "gpu "* ]] || dispatch_gpu_usage+="${line#gpu } $dispatch_each $dispatch_predicted"$'\n'
    done
    # If the keeper was killed, its daemon still runs.
    [ ! -O "$dispatch_mps_folder" ] || mps_end "$dispatch_mps_folder" "${dispatch_mps_logs}_$(uname -n)" failed
    pkill -KILL -s "$dispatch_keeper_pid"
}
