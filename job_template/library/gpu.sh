# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# The settings of a job on GPUs, in addition to those in begin.sh:
#   dispatch_gpu_tool      nvidia-smi; with any other program, or none, the script does not check the GPUs
#   dispatch_gpu_lists     an array: the variables that list the GPUs which the job may use, if they are set
#   dispatch_gpus          how many of the GPUs that a node shows count: RELION uses the first ones
#   dispatch_mps           yes if the ranks share a GPU through MPS
#   dispatch_watch_gpus    yes if memory and utilisation of the GPUs go into the record
#   dispatch_leaders       how many ranks use no GPU: 1 or 0
#   dispatch_ranks, dispatch_rank_table   see ranks.sh

# What the script does for GPUs before the commands.
look_after_gpus() {
    local -; set +eu +o pipefail # these are the caller's
    dispatch_each=- dispatch_predicted=- dispatch_devices='' dispatch_mps_folder=''
    refuse_what_is_no_gpu
    if [ "$dispatch_gpu_tool" = nvidia-smi ] && [ -n "$dispatch_mps$dispatch_watch_gpus" ]; then
        start_keeper
    fi
    hear_of_gpus
    [ -z "$dispatch_mps_folder" ] || join_mps
    fit_ranks
    [ "$dispatch_nodes" -eq 1 ] || place_ranks
}

# What the script does for GPUs when the job ends.
leave_gpus() {
    [ -z "$dispatch_keeper_pid" ] || end_keeper
    forget_places
}

# What the scheduler gave must be GPUs that RELION can use.
refuse_what_is_no_gpu() {
    local name
    for name in "${dispatch_gpu_lists[@]}"; do
        case ${!name-all} in
        '' | -1 | NoDevFiles)
            fail "The job cannot run, because its scheduler gave it no GPU ($name names none): submit the job" \
                "again; if that does not help, ask your admin to check the partition's GPUs."
            ;;
        *MIG-*MIG-*)
            [ "$dispatch_gpus" -eq 1 ] ||
                fail "The job cannot run, because its scheduler gave it several slices of divided GPUs (MIG), but a process can" \
                    "use only one: ask your admin to set \"gpus\" and \"ngpu\" to 1 for this partition in site.json."
            ;;
        esac
    done
}

# The GPUs that the job sees on a node, in its own order: UUID, memory in MiB, compute mode, MIG mode. CUDA
# ends its list at the first entry that is no GPU. "none" if nvidia-smi says that there is none of them.
visible_gpus() { # GPUS
    timeout 20 nvidia-smi --query-gpu=index,uuid,memory.total,compute_mode,mig.mode.current \
        --format=csv,noheader,nounits 2>/dev/null |
        awk -F ', *' -v visible="${CUDA_VISIBLE_DEVICES-all}" '
            function place_of(name, each) {
                for (each = 1; each <= known; each++)
                    if (name == number[each] || name ~ /^GPU-/ && index(uuid[each], name) == 1) return each
            }
            /^No devices were found/ { told = 1 }
            $2 ~ /^GPU-/ { told = 1; number[++known] = $1; uuid[known] = $2; gpu[known] = $2 " " $3 " " $4 " " $5 }
            END {
                if (visible == "all")
                    for (each = 1; each <= known; each++) print gpu[++seen]
                else
                    for (at = 1; at <= split(visible, wanted, / *, */) && (each = place_of(wanted[at])); at++)
                        { print gpu[each]; seen++ }
                if (told && !seen && visible !~ /MIG-/) print "none"
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

# How many GPUs the job has on this node by the variables that list them; - if none is set.
listed_gpus() {
    local name entries least=-
    for name in "${dispatch_gpu_lists[@]}"; do
        [ -n "${!name+set}" ] || continue
        entries=${!name//[!,]/}
        [[ $least != - && $least -le $((${#entries} + 1)) ]] || least=$((${#entries} + 1))
    done
    echo "$least"
}

# How many GPUs the job sees on this node, by what nvidia-smi says of them; - if nothing tells.
seen_gpus() { # GPUS
    case $1 in
    '') listed_gpus ;;
    none) echo 0 ;;
    *) wc -l <<<"$1" ;;
    esac
}

# What a node answers: how many GPUs it shows (-: not known), the memory of its smallest card in MiB (0: not
# known), the compute mode (shared or exclusive), and its name.
tell_of_gpus() { # GPUS
    local mode=shared
    [ -n "$1" ] || [ "$dispatch_gpu_tool" != nvidia-smi ] || [[ ${CUDA_VISIBLE_DEVICES:-} == *MIG-* ]] || ! command -v nvidia-smi >/dev/null ||
        echo "relion-dispatch: nvidia-smi on $(uname -n) did not report the job's GPUs: relion-dispatch does not check their memory." >&2
    [[ $1 != *Exclusive_Process* ]] || mode=exclusive
    echo "$(seen_gpus "$1") $(smallest_memory "$1") $mode $(uname -n)"
}

# The same, on a node that has no keeper.
look_at_gpus() { # HOW-MANY
    tell_of_gpus "$([ "$dispatch_gpu_tool" != nvidia-smi ] || visible_gpus "$1")"
}

# Reads the answer of each node. Sets dispatch_seen, the number of GPUs on the node dispatch_fewest, which shows
# fewest (empty: not known), dispatch_memory, the memory of the smallest card of all, and dispatch_sharing, how
# ranks share a GPU.
hear_of_gpus() {
    local answered=0 seen memory mode node why
    dispatch_seen='' dispatch_fewest='' dispatch_memory=0 dispatch_sharing=${dispatch_mps:+mps}
    dispatch_sharing=${dispatch_sharing:-shared}
    [ -n "$dispatch_gpu_tool${dispatch_gpu_lists[*]}" ] || return 0 # nothing tells
    [ -n "$dispatch_keeper_pid" ] || exec {dispatch_answers}< <(on_each_node look_at_gpus "$dispatch_gpus")
    while [ "$answered" -lt "$dispatch_nodes" ] &&
        read -r -t 60 -u "$dispatch_answers" seen memory mode node why; do
        answered=$((answered + 1))
        if [ -n "$why" ]; then
            echo "relion-dispatch: The ranks on $node run without MPS ($why)." >&2
            [ "$dispatch_sharing" = exclusive ] || dispatch_sharing=shared
        fi
        [[ $mode != exclusive || ( -n $dispatch_mps && -z $why ) ]] || dispatch_sharing=exclusive
        if [ "$seen" != - ] && { [ -z "$dispatch_seen" ] || [ "$seen" -lt "$dispatch_seen" ]; }; then
            dispatch_seen=$seen dispatch_fewest=$node
        fi
        if [ "$memory" -gt 0 ] && { [ "$dispatch_memory" -eq 0 ] || [ "$memory" -lt "$dispatch_memory" ]; }; then
            dispatch_memory=$memory
        fi
    done
    [ -n "$dispatch_keeper_pid" ] || exec {dispatch_answers}<&-
    if [ "$answered" -lt "$dispatch_nodes" ]; then
        why=''
        [ "$dispatch_sharing" != mps ] || dispatch_sharing=shared why=", but without MPS"
        echo "relion-dispatch: Not every node of the job reported its GPUs: the job continues as planned$why." >&2
    fi
}
