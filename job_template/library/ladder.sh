# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What a job tries next after it has filled a memory. The plan has rendered the steps of a ladder that goes down: fewer
# ranks on each GPU (the rows of ranks.sh), then more memory of each GPU left free; without GPUs fewer ranks in all. If
# nothing of that helps against full memory of the host, the job waits in the queue for more, where that is possible. The
# next run takes the next step, which sets a limit to which all later ones keep.
#
# Settings that only such a job has:
#   dispatch_free_ladder       an array: MB for RELION's --free_gpu_memory, from the least up
#   dispatch_rank_ladder       an array: numbers of ranks of a job without GPUs, from the planned one down
#   dispatch_memory_ladder     an array: MiB of each node that the job asks for, from the planned ones up
# The limits, from the record of the run before; empty where there is none:
#   dispatch_most_each         the most ranks on each GPU
#   dispatch_most_ranks        the most ranks in all
#   dispatch_least_free        the least MB that stay free on each GPU
#   dispatch_least_memory      the least MiB that the job has on each node
# dispatch_next says with what the next run is tried. If that must wait in the queue for more memory, dispatch_raised_from
# has the MiB of each node with which this one ran.

learn_limits() { # RECORD of the run before
    local found
    found=$(number_in "$1" most_each) && dispatch_most_each=${found#0}
    found=$(number_in "$1" most_ranks) && dispatch_most_ranks=${found#0}
    found=$(number_in "$1" free_gpu_memory) && dispatch_least_free=${found#0}
    found=$(number_in "$1" memory_mib) && dispatch_least_memory=$(memory_at_most "${found#0}")
    [ -z "$dispatch_most_ranks" ] || dispatch_ranks=$dispatch_most_ranks
}

# The scheduler may not have given what the run before has asked for, as when it was too slow, or after `resume`.
memory_at_most() { # MIB, or nothing
    local given
    given=$(memory_of_job)
    if [[ -n $1 && $given =~ ^[0-9]{1,9}$ && $given -gt 0 && $given -lt $1 ]]; then
        echo "$given"
    else
        echo "$1"
    fi
}

# For a run's record, and for its lease.
values_of_limits() {
    run_value most_each "${dispatch_most_each:-}"
    run_value most_ranks "${dispatch_most_ranks:-}"
    run_value free_gpu_memory "${dispatch_least_free:-}"
    run_value memory_mib "${dispatch_least_memory:-}"
}

is_full_memory() { [[ $1 == gpu_memory || $1 == host_memory ]]; } # WHAT ended a run

# After a program has failed: the job goes on if that has filled a memory, and a step is left.
go_on_with_less() {
    local kind
    [ "$dispatch_run" -le "$dispatch_goes_on_at_most" ] || return 0
    kind=$(kind_of_cause)
    is_full_memory "$kind" && survives "$kind" && take_next_step "$kind" || return 0
    dispatch_cut=$kind
}

# Sets the limit of the next runs, and dispatch_next. False if no step is left.
take_next_step() { # gpu_memory or host_memory
    { may_begin_in_place && take_step_in_place "$1"; } || { [ "$1" = host_memory ] && ask_for_more_memory; }
}

take_step_in_place() { # gpu_memory or host_memory
    take_fewer_on_each && return
    case $1 in
    gpu_memory) leave_more_free ;;
    host_memory) take_fewer_ranks ;;
    esac
}

take_fewer_on_each() {
    local planned_gpus='' least_gpus='' gpus='' rows='' row all least ranks each verdict
    [[ ${dispatch_each:-} == [1-9]* ]] || return 1
    find_rows
    IFS=";" read -ra all <<<"$rows"
    for row in "${all[@]}"; do
        read -r least ranks each _ verdict _ <<<"$row"
        [[ $verdict != no && $each -lt $dispatch_each && $ranks -lt $dispatch_ranks ]] || continue
        dispatch_next="with $each instead of $dispatch_each ranks on each GPU"
        dispatch_most_each=$each
        return 0 # a bare "return" gives the status from before a trap
    done
    return 1
}

leave_more_free() {
    local each
    for each in "${dispatch_free_ladder[@]}"; do
        [ "$each" -gt "${dispatch_least_free:-0}" ] || continue
        dispatch_next="with --free_gpu_memory $each"
        dispatch_least_free=$each
        return 0
    done
    return 1
}

take_fewer_ranks() {
    local each now=${dispatch_most_ranks:-${dispatch_rank_ladder[0]:-0}}
    for each in "${dispatch_rank_ladder[@]}"; do
        [ "$each" -lt "$now" ] || continue
        dispatch_next="with $each instead of $now ranks"
        dispatch_most_ranks=$each
        return 0
    done
    return 1
}

ask_for_more_memory() {
    local each now=${dispatch_least_memory:-${dispatch_memory_ladder[0]:-0}}
    for each in "${dispatch_memory_ladder[@]}"; do
        [ "$each" -gt "$now" ] || continue
        dispatch_next="with $(memory_in_words "$each") instead of $(memory_in_words "$now") of memory, for which it waits in the queue"
        dispatch_least_memory=$each dispatch_raised_from=$now
        return 0
    done
    return 1
}

# No run is to keep to memory that cannot be had, or is not asked for, as something else has cut this run meanwhile. (What
# needs no waiting holds: the memory was full.)
forget_more_memory() {
    [ -n "${dispatch_raised_from:-}" ] || return 0
    dispatch_least_memory=$dispatch_raised_from dispatch_raised_from='' dispatch_next=''
}

# Of rows of the rank table those that have no more ranks on each GPU than the limit. If RELION needs more, as on fewer
# GPUs, those with the fewest.
rows_within_limits() { # ROWS
    local row all each fewest='' most=${dispatch_most_each:-}
    if [ -z "$most" ]; then
        echo "$1"
        return 0
    fi
    IFS=";" read -ra all <<<"$1"
    for row in "${all[@]}"; do
        read -r _ _ each _ <<<"$row"
        [[ -n $fewest && $fewest -le $each ]] || fewest=$each
    done
    [ "$most" -ge "${fewest:-0}" ] || most=$fewest
    for row in "${all[@]}"; do
        read -r _ _ each _ <<<"$row"
        [ "$each" -gt "$most" ] || printf '%s;' "$row"
    done
    echo
}

# The limits in words: "at most 1 rank on each GPU and --free_gpu_memory 2000".
limits_in_words() {
    local words=''
    [ -z "${dispatch_most_each:-}" ] || words+=" and at most $(ranks_in_words "$dispatch_most_each") on each GPU"
    [ -z "${dispatch_most_ranks:-}" ] || words+=" and at most $(ranks_in_words "$dispatch_most_ranks")"
    [ -z "${dispatch_least_free:-}" ] || words+=" and --free_gpu_memory $dispatch_least_free"
    [ -z "${dispatch_least_memory:-}" ] || words+=" and $(memory_in_words "$dispatch_least_memory") of memory"
    echo "${words# and }"
}

ranks_in_words() { # NUMBER
    if [ "$1" -eq 1 ]; then
        echo "1 rank"
    else
        echo "$1 ranks"
    fi
}

# 65536 -> "64 GiB", 250000 -> "244.1 GiB".
memory_in_words() { # MIB
    local tenths=$(($1 * 10 / 1024 % 10))
    [ "$tenths" -ne 0 ] || tenths=''
    echo "$(($1 / 1024))${tenths:+.$tenths} GiB"
}

# For the end of a job that has filled a memory, and has no step left.
say_what_was_tried() {
    local words
    words=$(limits_in_words)
    [ -z "$words" ] || ! is_full_memory "$(kind_of_cause)" || echo " The job was tried with $words."
}
