# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# How many ranks run, and on which devices. The plan has worked that out for each number of GPUs and for each size
# of the smallest one; this looks it up. dispatch_ranks are the ranks that were planned.
#
# dispatch_rank_table has a line for each number of GPUs that every node shows at least, from the most down: the
# number, then parts with | between them. A part is for the ways to share a GPU that it begins with (mps; shared:
# without MPS; exclusive: without MPS, and a GPU takes one process), and has rows from the largest card down, with
# semicolons between them:
#   LEAST      MiB of the smallest card
#   RANKS      in all; with the verdict no, those that the job's template starts on any node, or 0
#   EACH       ranks on each GPU
#   BYTES      that these take there by the plan; - if that is not known
#   VERDICT    ok, tight (less working memory than recommended), or no (the job cannot run)
#   DEVICES    for RELION's option; - if the node cannot change them

# Lowers dispatch_ranks, and sets dispatch_devices, for fewer or smaller GPUs than were planned with; never
# raises them.
fit_ranks() {
    local planned_gpus='' least_gpus='' gpus='' rows=''
    find_rows
    rows=$(rows_within_limits "$rows")
    [ -n "$planned_gpus" ] || return 0
    [ -n "$gpus" ] || refuse_number_of_gpus "$least_gpus"
    [ "$gpus" -eq "$planned_gpus" ] || say_fewer_gpus "$gpus" "$planned_gpus" "$rows"
    fit_to_memory "$rows"
}

# Sets gpus and rows to those for as many GPUs as the nodes show, and for dispatch_sharing. A line without a part
# for exclusive has one rank on each GPU, so that its part for shared holds.
find_rows() { # sets the variables of fit_ranks
    local line part IFS=$'\n'
    for line in $dispatch_rank_table; do
        least_gpus=${line%% *}
        planned_gpus=${planned_gpus:-$least_gpus}
        [ -z "$gpus" ] || continue
        [ -z "$dispatch_seen" ] || [ "$least_gpus" -le "$dispatch_seen" ] || continue
        gpus=$least_gpus
        IFS='|'
        for part in ${line#* }; do
            part=${part# }
            case ,${part%% *}, in
            *",$dispatch_sharing,"*) rows=${part#* } ;;
            *,shared,*) rows=${rows:-${part#* }} ;;
            esac
        done
        IFS=$'\n'
    done
}

refuse_number_of_gpus() { # LEAST
    local shown="shows only $dispatch_seen of the job's GPUs, and the job needs at least $1"
    [ "$dispatch_seen" -gt 0 ] || shown="shows none of the job's GPUs"
    fail "The job cannot run, because its node $dispatch_fewest $shown: submit the job again; if that does not" \
        "help, ask your admin to check that node, and \"gpus\" of its partition in site.json."
}

say_fewer_gpus() { # GPUS PLANNED ROWS
    local ranks where="on $1 instead of $2 GPUs"
    [ "$dispatch_nodes" -eq 1 ] || where+=" of each node"
    read -r _ ranks _ <<<"$3"
    [ "${ranks:-0}" -eq 0 ] || [ "$ranks" -eq "$dispatch_ranks" ] ||
        where="with $ranks instead of $dispatch_ranks ranks, $where"
    echo "relion-dispatch: The job runs $where: its node $dispatch_fewest shows no more."
}

# Takes the row for the job's smallest card, says what is less than planned, or fails the job.
fit_to_memory() { # ROWS
    local rows row least ranks each bytes verdict='' devices most='' wanted='' enough=''
    local why="the job's smallest GPU has $dispatch_memory MiB" who=RELION
    IFS=";" read -ra rows <<<"$1"
    for row in "${rows[@]}"; do
        read -r least ranks each bytes verdict devices <<<"$row"
        most=${most:-$ranks} wanted=${wanted:-$least}
        [[ $dispatch_memory -ne 0 && $dispatch_memory -lt $least ]] || break
        enough=$least
    done
    [ -n "$verdict" ] || return 0 # nothing could be read, as when /tmp is full: the plan holds
    [ "$ranks" -eq 0 ] || who="the job's template, which starts $ranks ranks,"
    if [ "$verdict" = no ] && [ -z "$enough" ]; then
        fail "The job cannot run, because a GPU in exclusive mode accepts only one process without MPS, and $who needs $each there:" \
            "give the job more GPUs, or ask your admin to turn on MPS on the job's nodes."
    elif [ "$verdict" = no ]; then
        fail "The refinement does not fit: $why, and $who needs at least $enough MiB; use --pad 1 or fewer" \
            "classes, or ask your admin to send the job to larger GPUs."
    fi
    if [ "$ranks" -ne "$most" ]; then
        echo "relion-dispatch: The job runs with $ranks instead of $most ranks: $why, and $most ranks need $wanted MiB."
    elif [ "$ranks" -ne "$dispatch_ranks" ] && [ "$dispatch_sharing" = exclusive ]; then
        echo "relion-dispatch: The job runs with $ranks instead of $dispatch_ranks ranks: a GPU in exclusive mode accepts only one process without MPS."
    fi
    [ "$verdict" = ok ] ||
        echo "relion-dispatch: RELION will run with less GPU memory than recommended: $why, and at least $enough MiB are recommended."
    dispatch_ranks=$ranks dispatch_each=$each dispatch_predicted=$bytes dispatch_devices=${devices#-}
}
