#!/bin/bash
#SBATCH --job-name=MultiBody/job005
#SBATCH --output=MultiBody/job005/run.out
#SBATCH --error=MultiBody/job005/run.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --partition=gpu_long
#SBATCH --nodes=1
#SBATCH --ntasks=9
#SBATCH --cpus-per-task=6
#SBATCH --gres=gpu:4
#SBATCH --mem=120G
#SBATCH --time=2-00:00:00
# MultiBody/job005 (job type multibody), written by relion-dispatch 0.1.0

cd /data/project || exit 1
dispatch_job=MultiBody/job005
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
  Job type multibody (submit → gpu → multibody): relion_refine.
  A rank needs 10.1 GB on its GPU by the relion model (box 256 pixels from Refine3D/job011/run_model.star, _rlnOriginalImageSize, padding 2, 3 bodies in 3D, 6 threads); 2 fit into 25.0 GB usable of 25.8 GB.
  4 GPUs x 2 followers + 1 leader = 9 ranks, of at most 9.
  Image relion 5.1.0 (cuda): the site's default.
END_OF_REASONS

# The file must be the one that was chosen, here as well: its size and the id in its header.
dispatch_found="$(stat -Lc %s /data/site/relion-5.1.0-cuda.sif) $(od -An -tx1 -j48 -N16 /data/site/relion-5.1.0-cuda.sif | tr -d ' \n')"
if [ "$dispatch_found" != '141 62d8bd61d788591dbf68b9ce1e7f647b' ]; then
    echo "relion-dispatch: the image" /data/site/relion-5.1.0-cuda.sif "on $HOSTNAME is not the one that was chosen" \
        "(size and SIF id $dispatch_found instead of" '141 62d8bd61d788591dbf68b9ce1e7f647b'"):" \
        "have your admin put the right file there, and submit the job again." >&2
    exit 1
fi
# A clean environment in the container, but for these variables where they are set.
for dispatch_name in RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES; do
    [ -z "${!dispatch_name+set}" ] || export "APPTAINERENV_$dispatch_name=${!dispatch_name}"
done
export APPTAINERENV_PYTHONNOUSERSITE=1

# MPS: a control daemon of this job's own, with a folder of its own, by which it is known.
mps_processes() { # FOLDER: its daemon and the server that this starts
    local process
    for process in $(pgrep -u "$UID" nvidia-cuda-mps); do
        ! grep -qzxF "CUDA_MPS_PIPE_DIRECTORY=$1/pipe" "/proc/$process/environ" 2>/dev/null || echo "$process"
    done
}
mps_ask() { # FOLDER COMMAND
    echo "$2" | CUDA_MPS_PIPE_DIRECTORY="$1/pipe" timeout 5 nvidia-cuda-mps-control >/dev/null 2>&1
}
mps_stop() { # FOLDER
    [ -z "$(mps_processes "$1")" ] || mps_ask "$1" quit
    for _ in {1..20}; do
        [ -n "$(mps_processes "$1")" ] || break
        sleep 0.1
    done
    for process in $(mps_processes "$1"); do kill -KILL "$process" 2>/dev/null; done
    rm -rf "$1"
}
# A process is known by its number and when it started, as numbers are used again.
mps_owner() { # PID
    local fields
    { read -r fields <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${fields##*) }"
    [ "${fields[0]}" != Z ] || return 1 # dead, though nobody has noticed
    echo "$1 ${fields[19]} $(readlink /proc/self/ns/pid)"
}
# What a job of this user left here when it was killed together with its keeper.
mps_clean() {
    local folder owner
    for folder in /tmp/relion-mps.*; do
        [ -O "$folder" ] || continue
        [ ! -L "$folder" ] || continue
        [ -e "$folder/owners" ] || [ -n "$(find "$folder" -prune -mmin +5)" ] || continue # not yet
        while read -r owner; do
            [ "${owner##* }" = "$(readlink /proc/self/ns/pid)" ] || continue 2 # not to be seen from here
            [ "$(mps_owner "${owner%% *}")" != "$owner" ] || continue 2 # its job lives
        done < <(cat "$folder/owners" 2>/dev/null)
        mps_stop "$folder"
    done
}
mps_obstacle() { # UUIDS GPUS: why MPS is not possible here, or nothing
    local holder
    case ${CUDA_VISIBLE_DEVICES:-}$2 in
    *MIG-* | *Enabled*) echo "a GPU is divided (MIG)" ;;
    *Exclusive_Process*)
        holder=$(timeout 20 nvidia-smi --id="$1" --query-compute-apps=pid,name --format=csv,noheader | head -n 1)
        [ -z "$holder" ] || echo "a GPU in exclusive mode is held by process $holder"
        ;;
    esac
}
mps_start() { # FOLDER UUIDS LOGS: says why not, or nothing
    local process why
    command -v nvidia-cuda-mps-control >/dev/null || { echo "there is no nvidia-cuda-mps-control"; return; }
    mps_clean
    { mkdir -m 700 "$1" && mkdir "$1/pipe" "$1/log"; } 2>/dev/null || { echo "$1 cannot be made"; return; }
    { mps_owner $$; mps_owner "$PPID"; } >"$1/owners"
    # The ranks name the same devices by UUID, as the daemon counts its own from 0.
    echo "CUDA_MPS_PIPE_DIRECTORY=$1/pipe" >"$1/clients"
    [ -z "$2" ] || echo "CUDA_VISIBLE_DEVICES=$2" >>"$1/clients"
    env -u CUDA_VISIBLE_DEVICES ${2:+CUDA_VISIBLE_DEVICES="$2"} \
        CUDA_MPS_PIPE_DIRECTORY="$1/pipe" CUDA_MPS_LOG_DIRECTORY="$1/log" \
        nvidia-cuda-mps-control -f </dev/null >"$1/log/daemon.log" 2>&1 &
    process=$! why="its daemon did not answer within 5 s"
    for _ in {1..100}; do
        ! mps_ask "$1" get_server_list || return 0
        kill -0 "$process" 2>/dev/null || { why="its daemon ended: $(tail -n 1 "$1/log/daemon.log")"; break; }
        sleep 0.05
    done
    echo "$why"
    mps_end "$1" "$3" failed
}
mps_end() { # FOLDER LOGS ENDING: the daemon's logs become the folder LOGS unless all went well
    if [ "$3" = well ] && ! mps_ask "$1" get_server_list; then
        echo "relion-dispatch: MPS ended on $(uname -n) before the job did: see $2." >&2
        set -- "$1" "$2" failed
    fi
    [ "$3" = well ] || cp -rT "$1/log" "$2"
    mps_stop "$1"
}

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
keep_gpus() { # FOLDER LOGS
    gpus=$(visible_gpus)
    uuids=$(awk '{ print $1 }' <<<"$gpus" | paste -sd,)
    sampler=
    trap 'exit 143' TERM INT HUP
    trap end_keeping EXIT
    folder=$1 logs=$2_$(uname -n) ending=failed
    why=$(mps_obstacle "$uuids" "$gpus")
    [ -n "$why" ] || why=$(mps_start "$folder" "$uuids" "$logs")
    if [ -n "$uuids" ]; then
        sample_gpus "$uuids" </dev/null &
        sampler=$!
    fi
    mode=shared
    ! grep -q Exclusive_Process <<<"$gpus" || mode=exclusive
    echo "$(smallest_memory "$gpus") $mode $(uname -n) $why"
    read -r ending
}
end_keeping() {
    trap '' TERM INT HUP
    [ -z "$sampler" ] || kill "$sampler" 2>/dev/null
    [ ! -O "$folder" ] || mps_end "$folder" "$logs" "$ending"
}

# One keeper on each node, in a session of its own: it outlives the ranks, but not this script.
dispatch_mps_folder=/tmp/relion-mps.$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')
dispatch_mps_logs=$dispatch_job/mps_log
coproc dispatch_keeper {
    exec 9>&- # the lock of local jobs
    # shellcheck disable=SC2016 # for the bash that is started here, which gets the functions
    set -- bash -c 'eval "$dispatch_functions"; unset dispatch_functions; keep_gpus "$@"' keep_gpus "$dispatch_mps_folder" "$dispatch_mps_logs"
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
    # A keeper that was killed has left that to do.
    [ ! -O "$dispatch_mps_folder" ] || mps_end "$dispatch_mps_folder" "${dispatch_mps_logs}_$(uname -n)" failed
    pkill -KILL -s "$dispatch_keeper_pid"
}

# What each node answers: the memory of its smallest card in MiB, its mode, and why there is no MPS.
dispatch_memory=0 dispatch_answered=0 dispatch_mps=yes dispatch_most=2
while [ "$dispatch_answered" -lt 1 ] &&
    read -r -t 60 -u "$dispatch_answers" dispatch_card dispatch_mode dispatch_node dispatch_why; do
    if [ -n "$dispatch_why" ]; then
        dispatch_mps=no
        [ "$dispatch_mode" != exclusive ] || dispatch_most=1
        echo "relion-dispatch: MPS did not start on $dispatch_node ($dispatch_why); the ranks share its GPUs without it." >&2
    fi
    dispatch_answered=$((dispatch_answered + 1))
    if [ "$dispatch_card" -gt 0 ] && { [ "$dispatch_memory" = 0 ] || [ "$dispatch_card" -lt "$dispatch_memory" ]; }; then
        dispatch_memory=$dispatch_card
    fi
done
if [ "$dispatch_answered" -lt 1 ]; then
    echo "relion-dispatch: what looks after the GPUs did not start on every node; the ranks run without it." >&2
    dispatch_mps=no
fi
# The ranks find the daemon.
[ "$dispatch_mps" = no ] || while read -r dispatch_line; do
    export "${dispatch_line?}" "APPTAINERENV_$dispatch_line"
done <"$dispatch_mps_folder/clients"

# A card smaller than was planned with takes fewer ranks.
dispatch_gpus=4 dispatch_ranks=9
dispatch_each=2 dispatch_bytes=10059740870
fit_ranks() {
    local usable=$((dispatch_memory * 1048576 / 100 * 100)) most=$dispatch_each why
    [ "$dispatch_memory" = 0 ] || most=$((usable / dispatch_bytes))
    why="$((usable / 1000000)) MB are usable of the smallest GPU here, and a rank needs $((dispatch_bytes / 1000000)) MB"
    [ "$most" -le "$dispatch_most" ] || most=$dispatch_most why="a GPU in exclusive mode takes one process without MPS"
    [ "$most" -lt "$dispatch_each" ] || return 0
    dispatch_each=$((most > 1 ? most : 1))
    # Split half sets need an even number of followers.
    [ $((dispatch_gpus * dispatch_each % 2)) = 0 ] || dispatch_each=$((dispatch_each - 1))
    [ "$dispatch_each" -gt 0 ] || dispatch_each=1 dispatch_gpus=$((dispatch_gpus - 1))
    dispatch_ranks=$((dispatch_gpus * dispatch_each + 1))
    [ "$dispatch_ranks" = 9 ] || echo "relion-dispatch: $dispatch_ranks ranks instead of 9: $why."
}
fit_ranks
# What that makes on each GPU, for the record.
dispatch_prediction=", \"ranks\": $dispatch_each, \"predicted_bytes\": $((dispatch_bytes * dispatch_each))"

run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    mpirun --bind-to none --oversubscribe -n "${dispatch_ranks:-9}" \
    relion_refine_mpi --continue Refine3D/job011/run_optimiser.star --o MultiBody/job005/run \
    --solvent_correct_fsc --multibody_masks bodies.star --oversampling 1 \
    --healpix_order 4 --auto_local_healpix_order 4 --offset_range 3 --offset_step 1.5 \
    --reconstruct_subtracted_bodies --dont_combine_weights_via_disc --scratch_dir /scratch \
    --pool 3 --pad 2 --pipeline_control MultiBody/job005/ --gpu '' --j 6
rm -f "$dispatch_job/RELION_JOB_EXIT_SUCCESS" # the job ends with its last command
run apptainer --quiet exec --no-eval --cleanenv --nv \
    --mount=type=bind,source=/data/project,destination=/data/project \
    --mount=type=bind,source=/scratch,destination=/scratch \
    --pwd=/data/project \
    /data/site/relion-5.1.0-cuda.sif \
    relion_flex_analyse --PCA_orient --model MultiBody/job005/run_model.star --data MultiBody/job005/run_data.star \
    --bodies bodies.star --o MultiBody/job005/analyse --do_maps --k 3 \
    --pipeline_control MultiBody/job005/
