# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What a job script knows of Slurm, beside its directives. Another scheduler may leave out any of these
# functions: library/scheduler.sh has the answers of a machine without a scheduler.

# These would hide jobs from Slurm's commands, send the commands to another cluster, or write times in another way.
forget_scheduler_options() {
    unset "${!SQUEUE_@}" "${!SCANCEL_@}" "${!SCONTROL_@}" "${!SACCT_@}" SLURM_CLUSTERS SLURM_TIME_FORMAT
}

# srun must not inherit limits meant for the batch step, nor that the batch step began without the user's
# environment: ranks get what the script has loaded since.
forget_limits_of_the_script() {
    unset SLURM_MEM_PER_CPU SLURM_MEM_PER_GPU SLURM_MEM_PER_NODE SLURM_CPU_BIND SLURM_NTASKS_PER_NODE SLURM_EXPORT_ENV
}

# What Slurm knows of the job.
state_of_job() { # SECONDS
    ask_in_time "$1" scontrol show job "$SLURM_JOB_ID" 2>/dev/null
}

# When the job's time is over, in seconds since 1970.
end_in() { # STATE
    local end
    end=$(sed -n 's/.*EndTime=\([0-9T:-]*\).*/\1/p' <<<"$1")
    [ -z "$end" ] || date -d "$end" +%s
}

# By this signal, which nothing else sends, Slurm warns the script (--signal) before the time limit and, if a site has it do
# so, before a job gives way. A site may have asked for TERM instead, by which Slurm also ends a job that somebody cancels.
warning_signals() { echo USR1; }
announces_end() { dispatch_warned=yes; } # SIGNAL
is_warned() { [ -n "${dispatch_warned:-}" ]; }

# Only newer ones tell the job, from its beginning. A node that may not ask knows what the job asks for; Slurm counts from
# before the script began, as what it does first on a node may take a minute.
learn_end() {
    dispatch_ends=${SLURM_JOB_END_TIME:-$(end_in "$(state_of_job 3)")}
    [ -n "$dispatch_ends" ] || [ -z "${dispatch_time_limit:-}" ] ||
        dispatch_ends=$(($(date +%s) - SECONDS - 60 + dispatch_time_limit))
}

known_end() { echo "${dispatch_ends:-${SLURM_JOB_END_TIME:-}}"; }

is_near() { [[ $1 =~ ^[0-9]+$ ]] && [ $(($1 - $(date +%s))) -le 130 ]; } # END

time_limit_reached() { is_at_limit "$(state_of_job 3)"; }

# Whether the script was told to end because of the time limit. A site may have asked for an early warning; the end of a
# job that gives way is that of its grace. Where Slurm does not answer, the end counts that was known at the start, and
# if none was, the warning.
is_at_limit() { # STATE
    case $1 in
    '') is_near "$(known_end)" || { is_warned && [ -z "$(known_end)" ]; } ;;
    *JobState=TIMEOUT* | *Reason=TimeLimit*) ;;
    *JobState=RUNNING*) ! is_preempted "$1" && { is_warned || is_near "$(end_in "$1")"; } ;;
    *) return 1 ;;
    esac
}

# Whether Slurm has put the job back into the queue by itself, which counts as a restart.
is_requeued() { # STATE
    local restarts
    restarts=$(sed -n 's/.*Restarts=\([0-9]*\).*/\1/p' <<<"$1")
    [ "${restarts:-0}" -gt "${SLURM_RESTART_COUNT:-0}" ]
}

# Whether the job gives way to another one: it then has a time at which that was decided. (Its ranks on several nodes get
# the signal at that time, and the script later.)
is_preempted() { # STATE
    [[ $1 =~ (^|[[:space:]])PreemptTime=([^[:space:]]+) && ${BASH_REMATCH[2]} != None ]]
}

# The same where Slurm does not answer: its daemon on the node says so, or the script was warned long before the limit.
gave_way() { ended_because_of "PREEMPTION|JOB REQUEUE" || { is_warned && ! is_at_limit ''; }; }

# A job that gives way, or has lost a node, is put back into the queue, or is to end for good. All else is somebody's wish.
why_it_ends() { # SIGNAL
    local state
    ! ended_because_of "NODE FAILURE" || { echo lost_node; return; }
    for _ in 1 2 3; do # up to 13 of the 30 s that Slurm leaves between TERM and KILL
        state=$(state_of_job 3)
        [ -z "$state" ] || break
        sleep 2
    done
    if is_requeued "$state" || is_preempted "$state" || { [ -z "$state" ] && gave_way; }; then
        echo preemption
    elif [ "$1" -eq 15 ] && is_at_limit "$state"; then
        echo time_limit
    fi
}

# Whether Slurm's daemon on the node has written into run.err, before it told the job, that this is why the job ends. (Its
# state does not say it of a job that is put back because one of its nodes is lost, or set to down by an admin.)
ended_because_of() { # WHAT
    [ -n "${dispatch_err_before:-}" ] && since "$dispatch_err_before" "$dispatch_errfile" |
        grep -qaE "error: \*\*\* (JOB|STEP) $SLURM_JOB_ID(\.[^ ]+)? ON .* DUE TO ($1)\b"
}

# By this Slurm also ends the script. Of a job that is back in the queue, the next run may have begun already. Slurm would
# also put back a job that its user has cancelled meanwhile: so its state is asked for first.
start_next_run() {
    local said state status
    state=$(state_of_job 10)
    ! is_requeued "$state" || return 0
    [[ $state != *JobState=COMPLETING* || $state == *Reason=TimeLimit* ]] || is_preempted "$state" || return 1
    for _ in 1 2 3; do # until Slurm answers: it warns a minute before the limit, and kills half a minute after it
        said=$(timeout 20 scontrol requeue "$SLURM_JOB_ID" 2>&1)
        status=$?
        [ "$status" -ne 0 ] && [[ $said != *"pending execution"* ]] || return 0
        [[ $said != *"disabled for job"* ]] || return 1
        [ "$status" -eq 143 ] || sleep 5 # else this was ended by the very thing
    done
    # It may have put a job back by itself that gave way. If it has not, the job after the job tells.
    [ "${dispatch_cut:-}" = preemption ]
}

# A job's memory can be raised when it is back in the queue, and also if Slurm was not to put it back by itself. Slurm
# takes what no node of the partition has, and would let the job wait for ever.
start_next_run_with_memory() { # MIB
    local most requeue=1
    most=$(most_memory_of_a_node)
    [ "$1" -le "${most:-$1}" ] || return 1
    [[ $(state_of_job 10) != *Requeue=0* ]] || requeue=0
    ask_in_time 20 scontrol update JobId="$SLURM_JOB_ID" Requeue=1 2>/dev/null && start_next_run || return 1
    for _ in 1 2 3; do # half a minute after it has put the job back, Slurm kills the script
        ! ask_in_time 6 scontrol update JobId="$SLURM_JOB_ID" MinMemoryNode="$1" Requeue="$requeue" 2>/dev/null || return 0
        sleep 2
    done
    cancel_jobs "$SLURM_JOB_ID" # it would start with the memory that it has filled
    return 1
}

memory_of_job() { echo "${SLURM_MEM_PER_NODE:-}"; }

# MiB of the largest node of the job's partition, as Slurm counts them.
most_memory_of_a_node() {
    ask_in_time 10 sinfo --noheader --Node --partition="$SLURM_JOB_PARTITION" --format=%m 2>/dev/null | sort -n | tail -n 1
}

# Whether all processes in the script's session are the job's: its leader is gone, and Slurm's daemon made it.
scheduler_made_session() { [ "$(ps -o comm= -p $PPID)" = slurmstepd ]; }

# By these may_have_job knows the job, when another job finds its scratch folder.
words_of_job() {
    [ -z "$dispatch_scheduler_job" ] || echo "$dispatch_scheduler_job ${SLURM_CLUSTER_NAME:-}"
}

# Whether Slurm may still have that job: then its scratch folder stays.
may_have_job() { # JOB [CLUSTER]
    local found
    [ "${2:-}" = "${SLURM_CLUSTER_NAME:-}" ] || return 0
    command -v squeue >/dev/null || return 0
    found=$(ask_in_time 10 squeue --noheader --format="job:%A" --jobs="$1" 2>&1) || [[ $found == *"Invalid job id"* ]] || return 0
    [[ $found == *job:* ]] # not just any text: squeue, or what loads it, may warn of something
}

# What starts a program once on each node. SLURM_HOSTFILE concerns only the ranks.
words_for_each_node() {
    dispatch_each_node=(env -u SLURM_HOSTFILE srun --nodes="$dispatch_nodes" --ntasks="$dispatch_nodes"
        --ntasks-per-node=1 --overlap --mem=0 --export=ALL --mpi=none --kill-on-bad-exit=0)
    [ "$dispatch_nodes" -gt 1 ] || dispatch_each_node=()
}

# What writes of the job's steps into its files, and which of these ends them.
scheduler_programs() { echo 'slurm[a-z]*|srun|sbatch|scontrol'; }
scheduler_that_ends_jobs() { echo slurmstepd; }

# The leader on the first node, and as many followers on each node, rank by rank.
place_ranks() {
    dispatch_places=$(mktemp)
    export SLURM_HOSTFILE=$dispatch_places
    scontrol show hostnames "$SLURM_JOB_NODELIST" | awk -v ranks="$dispatch_ranks" -v leader="$dispatch_leaders" '
        { node[NR] = $1 }
        END {
            if (leader) print node[1]
            for (at = 1; at <= NR; at++)
                for (rank = int((ranks - leader) * (at - 1) / NR); rank < int((ranks - leader) * at / NR); rank++)
                    print node[at]
        }' >"$dispatch_places"
}

forget_places() {
    [ -z "$dispatch_places" ] || rm -f "$dispatch_places"
}

cancel_jobs() { ask_in_time 10 scancel "$@"; } # JOBS…
