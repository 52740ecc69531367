# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# How many ranks run: the plan has worked that out for each size of the smallest card, and this looks it
# up. dispatch_ranks are those that were planned. dispatch_rank_table has a line for each way to share a
# GPU: mps, shared (without MPS), or exclusive (without MPS, and a GPU takes one process). A line has rows
# from the largest card down, with commas between them:
#   LEAST      MiB of the smallest card
#   RANKS      in all
#   EACH       ranks on each GPU
#   BYTES      that these take there by the plan; - if that is not known
#   VERDICT    ok, tight (less working memory than recommended), or no (RELION cannot run)

# Lowers dispatch_ranks for a card that is smaller than was planned with; never raises them.
fit_ranks() {
    local sharing rows row least ranks each bytes verdict='' planned=$dispatch_ranks wanted='' enough=''
    local why="the job's smallest GPU has $dispatch_memory MiB"
    [[ $dispatch_rank_table == *"$dispatch_sharing "* ]] || dispatch_sharing=shared # one rank on a GPU in any case
    while read -r sharing rows; do
        [ "$sharing" != "$dispatch_sharing" ] || break
    done <<<"$dispatch_rank_table"
    IFS=, read -ra rows <<<"$rows"
    for row in "${rows[@]}"; do
        read -r least ranks each bytes verdict <<<"$row"
        wanted=${wanted:-$least}
        [[ $dispatch_memory -ne 0 && $dispatch_memory -lt $least ]] || break
        enough=$least
    done
    [ -n "$verdict" ] || return 0 # nothing could be read, as when /tmp is full: the plan holds
    if [ "$verdict" = no ] && [ -z "$enough" ]; then
        fail "The job cannot run, because a GPU in exclusive mode accepts only one process without MPS, and RELION needs $each there:" \
            "give the job more GPUs, or ask your admin to turn on MPS on the job's nodes."
    elif [ "$verdict" = no ]; then
        fail "The refinement does not fit: $why, and RELION needs at least $enough MiB; use --pad 1 or fewer" \
            "classes, or ask your admin to send the job to larger GPUs."
    fi
    dispatch_ranks=$ranks dispatch_each=$each dispatch_predicted=$bytes
    if [ "$ranks" -ne "$planned" ]; then
        if [ "$sharing" = exclusive ]; then
            echo "relion-dispatch: The job runs with $ranks instead of $planned ranks: a GPU in exclusive mode accepts only one process without MPS."
        else
            echo "relion-dispatch: The job runs with $ranks instead of $planned ranks: $why, and $planned ranks need $wanted MiB."
        fi
    fi
    [ "$verdict" = ok ] ||
        echo "relion-dispatch: RELION will run with less GPU memory than recommended: $why, and at least $enough MiB are recommended."
}
