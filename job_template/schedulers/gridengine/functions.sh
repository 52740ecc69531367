# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What a job script knows of Grid Engine, beside its directives (library/scheduler.sh says what each function is for).

opens_texts() { return 1; }

# These would change what its commands print.
forget_scheduler_options() {
    unset "${!SGE_LONG_@}" "${!SGE_DEBUG_@}"
}

# With -notify, USR2 comes before KILL: at the time limit, and if the job is deleted or put back into the queue. USR1
# comes before the job is suspended, and at a soft time limit, which a site may add.
warning_signals() { echo USR1 USR2; }
announces_end() { # SIGNAL
    local state
    [ "$1" = USR1 ] && ! time_limit_reached || return 0
    survives preemption || return 1
    state=$(state_of_job)
    [ -n "$state" ] || dispatch_suspended=yes # of two reasons for the signal this one is left
    [[ -z $state || $state == *[sST]* ]]
}

# As qstat says it: d of a job that is deleted, s S T of one that is suspended, q of one that is back in the queue; and since
# when it runs or waits.
row_of_job() { ask_in_time 3 qstat 2>/dev/null | awk -v job="$JOB_ID" '$1 == job { print $5, $6, $7; exit }'; }
state_of_job() { row_of_job | cut -d ' ' -f 1; }

# Whether the master has put the job back without a word to its node, which it could not reach: a job that somebody puts
# back hears of it after a second or two.
was_put_back_unheard() { # SINCE
    local since
    [ -n "$1" ] && since=$(date -d "$1" +%s 2>/dev/null) && [ $(($(date +%s) - since)) -ge 15 ]
}

# A job that is suspended keeps its GPUs, and RELION's programs do not survive USR1; so a job that goes on gives way. If
# the master does not answer, the signal tells: the script has had it, or a program has ended by it.
why_it_ends() { # SIGNAL
    local state since
    read -r state since < <(row_of_job)
    case $state in
    *d*) ;;
    *q*) if was_put_back_unheard "$since"; then echo lost_node; else echo preemption; fi ;;
    *[sST]*) echo preemption ;;
    *)
        if [ "$1" -eq 15 ] && time_limit_reached; then
            echo time_limit
        elif [ -n "${dispatch_suspended:-}" ] || { [ -z "$state" ] && [ "$1" -eq 0 ] && [ "$dispatch_status" -eq 138 ]; }; then
            echo preemption
        fi
        ;;
    esac
}

# Once the limit is reached, 99 no longer counts. A job that is back in the queue needs none.
start_next_run() {
    local limit
    case $(state_of_job) in
    *d*) return 1 ;;
    *q*) return 0 ;;
    esac
    limit=$(time_limit)
    [ -z "$limit" ] || [ "$SECONDS" -lt "$limit" ] || return 1
    dispatch_wants_requeue=yes
}

# A script that ends with 99 is run again, even with -r n; after 100 the job stays in the queue, in error.
status_for_scheduler() { # STATUS
    case ${dispatch_wants_requeue:-$1} in
    yes) echo 99 ;;
    99 | 100) echo 1 ;;
    *) echo "$1" ;;
    esac
}

# The least of what the job asks for and what its queue lets it run: soft and hard limits.
time_limit() {
    {
        ask_in_time 5 qstat -j "$JOB_ID" | sed -n 's/^hard resource_list: *//p' | tr , '\n' | sed -n 's/^[hs]_rt=//p'
        ask_in_time 5 qconf -sq "$QUEUE@$HOSTNAME" | sed -n 's/^[hs]_rt  *//p'
    } 2>/dev/null | awk -F: '
        NF == 3 { $1 = $1 * 3600 + $2 * 60 + $3 }
        $1 ~ /^[0-9]+$/ && (!least || $1 < least) { least = $1 }
        END { if (least) print least }'
}

time_limit_reached() {
    local limit
    limit=$(stops_after)
    limit=${limit:-$(time_limit)}
    [ -n "$limit" ] && [ "$SECONDS" -ge $((limit - 5)) ]
}

# Its shepherd makes a session for the shell that runs the script, or for a site's program that starts that shell.
scheduler_made_session() {
    [ "$(ps -o comm= -p "$(ps -o ppid= -p "$dispatch_session" | tr -d ' ')")" = sge_shepherd ]
}

words_of_job() {
    [ -z "$dispatch_scheduler_job" ] || echo "$dispatch_scheduler_job ${SGE_CELL:-default}"
}

# An answer that is none says nothing: the job may be there.
may_have_job() { # JOB [CELL]
    [ "${2:-}" = "${SGE_CELL:-default}" ] || return 0
    command -v qstat >/dev/null || return 0
    [[ $(ask_in_time 10 qstat -j "$1" 2>&1) != *"do not exist"* ]]
}

scheduler_programs() { echo 'sge_[a-z]*|qsub|qstat|qconf|qdel'; }
scheduler_that_ends_jobs() { echo 'sge_(execd|shepherd)'; }

cancel_jobs() { ask_in_time 10 qdel "$@" >/dev/null; } # JOBS…
