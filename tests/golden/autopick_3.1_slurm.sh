#!/bin/bash
#SBATCH --job-name=AutoPick/job009
#SBATCH --output=AutoPick/job009/run.out
#SBATCH --error=AutoPick/job009/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=1
#SBATCH --gres=gpu:4
#SBATCH --mem=64G
#SBATCH --time=2-00:00:00
# AutoPick/job009 (job type autopick), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=AutoPick/job009
dispatch_status=0

# RELION waits for exactly one of these files, and believes SUCCESS before the others.
tell_relion() {
    if [ -e "$dispatch_job/RELION_JOB_EXIT_ABORTED" ]; then
        rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" "$dispatch_job/RELION_JOB_EXIT_FAILURE"
    elif [ "$dispatch_status" -ne 0 ] || [ -e "$dispatch_job/RELION_JOB_EXIT_FAILURE" ]; then
        [ "$dispatch_status" -ne 0 ] || dispatch_status=1
        rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS"
        touch "$dispatch_job/RELION_JOB_EXIT_FAILURE"
    else
        touch "$dispatch_job/RELION_JOB_EXIT_SUCCESS"
    fi
}
# MPI puts each rank in a process group of its own, so ranks outlive an mpirun that was killed; but
# they stay in this script's session, which only holds what it started where the script leads it.
end_processes() {
    [ "$(ps -o sid= -p $$ | tr -d ' ')" = $$ ] || return 0
    for dispatch_process in $(pgrep -s $$); do
        [ "$dispatch_process" = $$ ] || kill -KILL "$dispatch_process" 2>/dev/null
    done
}
finish() {
    dispatch_exit=$?
    [ "$dispatch_status" -ne 0 ] || dispatch_status=$dispatch_exit
    trap - EXIT
    trap '' TERM INT HUP
    tell_relion
    end_processes 2>/dev/null
    [ -z "${dispatch_keeper_pid:-}" ] || leave_gpus
    exit "$dispatch_status"
}
# The scheduler may follow up with KILL, so RELION is told first.
stop() {
    trap '' TERM INT HUP
    dispatch_status=$((128 + $1))
    tell_relion
    echo "relion-dispatch: the job was stopped by signal $1." >&2
    if [ -n "${!:-}" ] && kill -TERM "$!" 2>/dev/null; then
        for _ in {1..50}; do
            kill -0 "$!" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$!" 2>/dev/null
    fi
    exit "$dispatch_status"
}
trap finish EXIT
trap 'stop 15' TERM
trap 'stop 2' INT
trap 'stop 1' HUP

# In the background, so that a signal is acted on at once and not after RELION's last iteration.
run() {
    "$@" &
    wait "$!"
    dispatch_status=$?
    [ ! -e "$dispatch_job/RELION_JOB_EXIT_FAILURE" ] || [ "$dispatch_status" -ne 0 ] || dispatch_status=1
    [ "$dispatch_status" -eq 0 ] || exit "$dispatch_status"
}

if [ -e "$dispatch_job/RELION_JOB_ABORT_NOW" ]; then
    echo "relion-dispatch: aborted in RELION before the job started." >&2
    touch "$dispatch_job/RELION_JOB_EXIT_ABORTED"
    exit 0
fi

cat <<'END_OF_REASONS'
relion-dispatch 0.1.0
  Job type autopick (submit → gpu → gpu_each → autopick): relion_autopick.
  The job's GPU memory is not known, so it sets no limit.
  4 GPUs x 2 ranks = 8 ranks, of at most 8.
  Image relion 5.1.0 (cuda): the site's default.
END_OF_REASONS

# A clean environment in the container, but for these variables where they are set.
for dispatch_name in RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES; do
    [ -z "${!dispatch_name+set}" ] || export "APPTAINERENV_$dispatch_name=${!dispatch_name}"
done
export APPTAINERENV_PYTHONNOUSERSITE=1

# The image must be the file that was chosen, on each node: its size and the id in its header.
dispatch_look='found="$(stat -Lc %s "$1") $(od -An -tx1 -j48 -N16 "$1" | tr -d " \n")"
[ "$found" = "$2" ] || {
    echo "relion-dispatch: the image $1 on $(uname -n) is not the one that was chosen" \
        "(size and SIF id $found instead of $2): have your admin put the right file there," \
        "and submit the job again." >&2
    exit 1
}'
bash -c "$dispatch_look" look /data/site/relion-5.1.0-cuda.sif '141 62d8bd61d788591dbf68b9ce1e7f647b' || exit 1

# The GPUs that the job sees on a node, in its own order: UUID, memory in MiB, compute mode, MIG mode.
visible_gpus() {
    timeout 20 nvidia-smi --query-gpu=index,uuid,memory.total,compute_mode,mig.mode.current \
        --format=csv,noheader,nounits 2>/dev/null |
        awk -F ', *' -v visible="${CUDA_VISIBLE_DEVICES-all}" '
            { number[NR] = $1; uuid[NR] = $2; gpu[NR] = $2 " " $3 " " $4 " " $5 }
            visible == "all" { print gpu[NR] }
            END {
                for (at = 1; at <= split(visible, wanted, / *, */); at++)
                    for (each = 1; each <= NR; each++)
                        if (wanted[at] == number[each] || wanted[at] ~ /^GPU-/ && index(uuid[each], wanted[at]) == 1)
                            print gpu[each]
            }'
}
# Memory and utilisation of each GPU every 5 s; summed up when nvidia-smi is ended, as JSON. A loop of
# bash, as awk may wait for more than what there is; without the keeper both end by themselves.
sample_gpus() { # UUIDS
    exec stdbuf -oL nvidia-smi --id="$1" --query-gpu=uuid,memory.used,utilization.gpu \
        --format=csv,noheader,nounits -l 5 2>/dev/null > >(sum_up_samples)
}
sum_up_samples() {
    local gpu memory use mean node
    local -A samples peak sum counted
    while IFS=', ' read -r gpu memory use; do
        samples[$gpu]=$((${samples[$gpu]:-0} + 1))
        [[ $memory != [0-9]* || $memory -le ${peak[$gpu]:-0} ]] || peak[$gpu]=$memory
        [[ $use != [0-9]* ]] || { sum[$gpu]=$((${sum[$gpu]:-0} + use)); counted[$gpu]=$((${counted[$gpu]:-0} + 1)); }
        kill -0 $$ 2>/dev/null || break
    done
    node=$(uname -n)
    for gpu in "${!samples[@]}"; do
        mean=null
        [ -z "${counted[$gpu]:-}" ] || mean=$((sum[$gpu] / counted[$gpu]))
        echo "{\"node\": \"$node\", \"gpu\": \"$gpu\", \"samples\": ${samples[$gpu]}," \
            "\"peak_memory_bytes\": $((${peak[$gpu]:-0} * 1048576)), \"mean_utilisation_percent\": $mean}"
    done | sort
}
# The keeper: it looks after a node's GPUs until the script tells how the job ended, or is gone.
keep_gpus() {
    gpus=$(visible_gpus)
    uuids=$(awk '{ print $1 }' <<<"$gpus" | paste -sd,)
    sampler=
    trap 'exit 143' TERM INT HUP
    trap end_keeping EXIT
    if [ -n "$uuids" ]; then
        sample_gpus "$uuids" </dev/null &
        sampler=$!
    fi
    read -r _
}
end_keeping() {
    trap '' TERM INT HUP
    [ -z "$sampler" ] || kill "$sampler" 2>/dev/null
}

# One keeper on each node, in a session of its own: it outlives the ranks, but not this script.
coproc dispatch_keeper {
    exec 9>&- # the lock of local jobs
    # shellcheck disable=SC2016 # for the bash that is started here, which gets the functions
    set -- bash -c 'eval "$dispatch_functions"; unset dispatch_functions; keep_gpus "$@"' keep_gpus
    dispatch_functions=$(declare -f) exec setsid "$@"
}
dispatch_keeper_pid=$!
exec {dispatch_answers}<&"${dispatch_keeper[0]}"
leave_gpus() {
    trap '' PIPE
    if [ -n "${dispatch_keeper[1]:-}" ]; then # unset once bash knows that the keeper ended
        [ "$dispatch_status" -ne 0 ] || echo well >&"${dispatch_keeper[1]}"
        eval "exec ${dispatch_keeper[1]}>&-"
    fi 2>/dev/null
    kill -0 "$dispatch_keeper_pid" 2>/dev/null || pkill -s "$dispatch_keeper_pid" nvidia-smi
    unset dispatch_gpu_usage
    while read -r -t 10 -u "$dispatch_answers" dispatch_line; do
        [[ $dispatch_line == \{* ]] || continue
        dispatch_gpu_usage+="${dispatch_gpu_usage:+, }${dispatch_line%\}}${dispatch_prediction:-}}"
    done
    [ -z "${dispatch_gpu_usage:-}" ] || dispatch_gpu_usage="[$dispatch_gpu_usage]"
    pkill -KILL -s "$dispatch_keeper_pid"
}

run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    mpirun --bind-to none --oversubscribe -n 8 \
    relion_autopick_mpi --i CtfFind/job003/micrographs_ctf.star --odir AutoPick/job009/ \
    --pickname autopick --ref refs.star --invert --ctf --ang 5 --shrink 0 --lowpass 20 \
    --threshold 0.05 --min_distance 100 --max_stddev_noise 1.1 --only_do_unfinished \
    --pipeline_control AutoPick/job009/ --gpu 0:1:2:3:0:1:2:3
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run echo CtfFind/job003/micrographs_ctf.star > AutoPick/job009/coords_suffix_autopick.star
