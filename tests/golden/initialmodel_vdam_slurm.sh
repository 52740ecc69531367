#!/bin/bash
#SBATCH --job-name=InitialModel/job009
#SBATCH --output=InitialModel/job009/run.out
#SBATCH --error=InitialModel/job009/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --gres=gpu:2
#SBATCH --mem=64G
#SBATCH --time=2-00:00:00
# InitialModel/job009 (job type initialmodel), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=InitialModel/job009
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
  Job type initialmodel (submit → gpu → gpu_sp → initialmodel): relion_refine.
  A rank needs 3.4 GB on its GPU by the relion model (box 256 pixels from Select/job007/particles.star, optics group 1, padding 1, 1 class in 3D, VDAM, 8 threads); 7 fit into 25.0 GB usable of 25.8 GB.
  One process without MPI, 16 threads on 2 of 2 GPUs.
  A node needs 6.2 GB of host memory (4.0 GB in any case, the process with 1.5 GB, 1 reconstruction of 0.6 GB, 0.1 GB of references), within the job's 64G.
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
# The smallest memory of GPUs in MiB, by their lines; of slices (MIG) by their names, as 3g.20gb.
smallest_memory() { # GPUS
    case ${CUDA_VISIBLE_DEVICES:-}$1 in
    *MIG-* | *Enabled*)
        timeout 20 nvidia-smi -L 2>/dev/null | sed -n 's/^ *MIG [^ ]*\.\([0-9]*\)gb.*(UUID: *\(MIG-[^)]*\)).*/\2 \1/p' |
            awk -v visible="${CUDA_VISIBLE_DEVICES:-}" '
                (visible !~ /MIG-/ || index(visible, $1)) && (!least || $2 < least) { least = $2 }
                END { print int(least * 953) }'
        ;;
    *) awk '!least || $2 < least { least = $2 } END { print least + 0 }' <<<"$1" ;;
    esac
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
    smallest_memory "$gpus"
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

# What each node answers: the memory of its smallest card in MiB.
dispatch_memory=0 dispatch_answered=0
while [ "$dispatch_answered" -lt 1 ] && read -r -t 60 -u "$dispatch_answers" dispatch_card; do
    dispatch_answered=$((dispatch_answered + 1))
    if [ "$dispatch_card" -gt 0 ] && { [ "$dispatch_memory" = 0 ] || [ "$dispatch_card" -lt "$dispatch_memory" ]; }; then
        dispatch_memory=$dispatch_card
    fi
done
if [ "$dispatch_answered" -lt 1 ]; then
    echo "relion-dispatch: what looks after the GPUs did not start on every node; the ranks run without it." >&2
fi

# A card smaller than was planned with takes fewer ranks.
dispatch_each=1 dispatch_bytes=3427589376
fit_ranks() {
    local usable=$((dispatch_memory * 1048576 / 100 * 97)) most=$dispatch_each why
    [ "$dispatch_memory" = 0 ] || most=$((usable / dispatch_bytes))
    why="$((usable / 1000000)) MB are usable of the smallest GPU here, and a rank needs $((dispatch_bytes / 1000000)) MB"
    [ "$most" -lt "$dispatch_each" ] || return 0
    if [ "$most" -lt 1 ] && [ 1506184192 -gt "$usable" ]; then
        echo "relion-dispatch: the refinement does not fit: $why, and RELION cannot do with less than" \
            "1506 MB on a GPU; use --pad 1 or fewer classes, or have your admin" \
            "send the job to larger GPUs." >&2
        exit 1
    fi
    echo "relion-dispatch: RELION will run with less memory than it likes: $why."
}
fit_ranks
# What that makes on each GPU, for the record.
dispatch_prediction=", \"ranks\": $dispatch_each, \"predicted_bytes\": $((dispatch_bytes * dispatch_each))"

run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    relion_refine --o InitialModel/job009/run --iter 200 --grad --denovo_3dref --i Select/job007/particles.star \
    --ctf --K 1 --sym C1 --flatten_solvent --zero_mask \
    --dont_combine_weights_via_disc --scratch_dir /scratch --pool 3 --pad 1 \
    --particle_diameter 200 --oversampling 1 --healpix_order 1 --offset_range 6 \
    --offset_step 2 --auto_sampling --tau2_fudge 4 --pipeline_control InitialModel/job009/ \
    --gpu 0,1 --j 16
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run rm -f InitialModel/job009/RELION_JOB_EXIT_SUCCESS
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    relion_align_symmetry --i InitialModel/job009/run_it200_model.star --o InitialModel/job009/initial_model.mrc \
    --sym D2 --apply_sym --select_largest_class --pipeline_control InitialModel/job009/
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run touch InitialModel/job009/RELION_JOB_EXIT_SUCCESS
