# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# The settings of a job on GPUs, in addition to those in begin.sh:
#   dispatch_gpu_tool      nvidia-smi; with any other program, or none, the script does not check the GPUs
#   dispatch_gpus          how many of the GPUs that a node shows count: RELION uses the first ones
#   dispatch_mps           yes if the ranks share a GPU through MPS
#   dispatch_watch_gpus    yes if memory and utilisation of the GPUs go into the record
#   dispatch_leaders       how many ranks use no GPU: 1 or 0
#   dispatch_ranks, dispatch_rank_table   see ranks.sh

# What the script does for GPUs before the commands.
look_after_gpus() {
    dispatch_each=- dispatch_predicted=- dispatch_mps_folder=''
    if [ "$dispatch_gpu_tool" = nvidia-smi ]; then
        refuse_what_is_no_gpu
        [ -z "$dispatch_mps$dispatch_watch_gpus" ] || start_keeper
        if [ -n "$dispatch_rank_table" ]; then
            hear_of_gpus
            [ -z "$dispatch_mps_folder" ] || join_mps
            fit_ranks
        fi
    fi
    [ "$dispatch_nodes" -eq 1 ] || place_ranks
}

# What the script does for GPUs when the job ends.
leave_gpus() {
    [ -z "$dispatch_keeper_pid" ] || end_keeper
    forget_places
}

# What the scheduler gave must be GPUs that RELION can use.
refuse_what_is_no_gpu() {
    case ${CUDA_VISIBLE_DEVICES-all} in
    '' | -1 | NoDevFiles)
        fail "The job cannot run, because its scheduler gave it no GPU (CUDA_VISIBLE_DEVICES names none): submit the job" \
            "again; if that does not help, ask your admin to check the partition's GPUs."
        ;;
    *MIG-*MIG-*)
        [ "$dispatch_gpus" -eq 1 ] ||
            fail "The job cannot run, because its scheduler gave it several slices of divided GPUs (MIG), but a process can" \
                "use only one: ask your admin to set \"gpus\" and \"ngpu\" to 1 for this partition in site.json."
        ;;
    esac
}

# The GPUs that the job sees on a node, in its own order: UUID, memory in MiB, compute mode, MIG mode.
visible_gpus() { # GPUS
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
            }' | head -n "$1"
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

# What a node answers: the memory of its smallest card in MiB (0: not known), mode, name.
tell_of_gpus() { # GPUS
    local mode=shared
    [ -n "$1" ] || [[ ${CUDA_VISIBLE_DEVICES:-} == *MIG-* ]] || ! command -v nvidia-smi >/dev/null ||
        echo "relion-dispatch: nvidia-smi on $(uname -n) did not report the job's GPUs: relion-dispatch does not check their memory." >&2
    [[ $1 != *Exclusive_Process* ]] || mode=exclusive
    echo "$(smallest_memory "$1") $mode $(uname -n)"
}

# The same, on a node that has no keeper.
look_at_gpus() { # HOW-MANY
    tell_of_gpus "$(visible_gpus "$1")"
}

# Reads the answer of each node. Sets dispatch_memory, the memory of the smallest card of all, and
# dispatch_sharing, how ranks share a GPU.
hear_of_gpus() {
    local answered=0 memory mode node why
    dispatch_memory=0 dispatch_sharing=${dispatch_mps:+mps}
    dispatch_sharing=${dispatch_sharing:-shared}
    [ -n "$dispatch_keeper_pid" ] || exec {dispatch_answers}< <(on_each_node look_at_gpus "$dispatch_gpus")
    while [ "$answered" -lt "$dispatch_nodes" ] &&
        read -r -t 60 -u "$dispatch_answers" memory mode node why; do
        answered=$((answered + 1))
        if [ -n "$why" ]; then
            echo "relion-dispatch: MPS did not start on $node ($why); the ranks share the GPUs of that node without MPS." >&2
            [ "$dispatch_sharing" = exclusive ] || dispatch_sharing=shared
        fi
        [[ $mode != exclusive || ( -n $dispatch_mps && -z $why ) ]] || dispatch_sharing=exclusive
        if [ "$memory" -gt 0 ] && { [ "$dispatch_memory" -eq 0 ] || [ "$memory" -lt "$dispatch_memory" ]; }; then
            dispatch_memory=$memory
        fi
    done
    [ -n "$dispatch_keeper_pid" ] || exec {dispatch_answers}<&-
    if [ "$answered" -lt "$dispatch_nodes" ]; then
        echo "relion-dispatch: Not every node of the job reported its GPUs: the job continues as planned, but without MPS." >&2
        [ "$dispatch_sharing" != mps ] || dispatch_sharing=shared
    fi
}
