# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# The runs of a job that goes on: 1, 2, 3 … of the same script, one after the other. Each claims its number (claim.sh),
# has a control folder of its own, and renews a lease while it runs (lease.sh). It leaves a record (record.sh): the last
# one dispatch.run.TOKEN, each one before it dispatch.run.TOKEN.NUMBER. goes_on.sh says whether another one follows.
#
# Settings that only such a job has:
#   dispatch_goes_on_after     an array, what it survives: time_limit, preemption, lost_node, gpu_memory, host_memory
#   dispatch_goes_on_at_most   how many times it goes on
#   dispatch_gives_up_after    it does not go on after so many runs in a row that brought nothing new
# What the script knows of the runs:
#   dispatch_run               the number of this one
#   dispatch_done              how many of the job's commands have ended well, in all runs
#   dispatch_began_with        what the runs before had brought, as `reached` counts it
#   dispatch_idle_before       how many of these, the last ones, had brought nothing new
#   dispatch_why_before        what had ended the last one of them

may_have_runs() { [ -n "${dispatch_goes_on_after[*]:-}" ]; } # a site's template may have said `set -u`

survives() { [[ " ${dispatch_goes_on_after[*]} " == *" $1 "* ]]; } # WHAT

# What tells a run from the others in the names of files.
run_token() { # NUMBER
    if [ "$1" -gt 1 ]; then
        echo "$dispatch_token.$1"
    else
        echo "$dispatch_token"
    fi
}

claim_of() { # NUMBER
    echo "$dispatch_folder/.dispatch_claim.$(run_token "$1")"
}

record_of() { # NUMBER, of a run that was not the last
    echo "$dispatch_folder/dispatch.run.$dispatch_token.$1"
}

lease_of() { # NUMBER
    echo "$dispatch_folder/.dispatch_lease.$dispatch_token.$1"
}

# What a run writes before it gives it the name of a record. Two runs may write the same record at the same moment.
unfinished_record() { # NUMBER of the run that writes
    echo "$dispatch_folder/.dispatch.run.$(run_token "$1").new"
}

# The number of the newest run that has begun; 0 if none has.
newest_run() {
    local number=0
    while [ -L "$(claim_of $((number + 1)))" ]; do
        number=$((number + 1))
    done
    echo "$number"
}

# The value of a key in a file of lines KEY VALUE; of several lines the last one's.
value_in() { # FILE KEY
    read_file "$1" | tr -d '\0' | sed -n "s/^$2 //p" | tail -n 1
}

# The same, of a number; 0 if there is none.
number_in() { # FILE KEY
    local found
    found=$(value_in "$1" "$2")
    [[ $found =~ ^[0-9]{1,9}$ ]] || found=0
    echo "$((10#$found))"
}

# Whether a run has made this claim. Else the submission was given up, or its watcher has told the end.
is_of_run() { # CLAIM
    may_have_runs && [[ $1 == *", process "*", job "* ]]
}

# Whether that run is over, or another one has begun behind it, so that the next number is free. The scheduler starts a
# job again only after it has ended, or lost, the run before.
is_followed() { # CLAIM of run dispatch_run
    [ -e "$(record_of "$dispatch_run")" ] || [ -L "$(claim_of $((dispatch_run + 1)))" ] || has_waited_for "$1" ||
        { [[ -n $dispatch_scheduler_job && $1 == *", job $dispatch_scheduler_job" ]] && { survives lost_node || survives preemption; }; }
}

# Begins behind the runs before: when each of them has ended all its programs, and with what they have reached. (A
# run that was cut while it waited has not ended the run before it, so all are looked at.)
follow_runs() {
    local number
    [ "$dispatch_run" -gt 1 ] || return 0
    ls "$dispatch_folder/" >/dev/null # makes a network file system look again
    learn_from_runs_before            # what this run hands on if it is cut while it waits
    for ((number = 1; number < dispatch_run; number++)); do
        [ ! -e "$(record_of "$number")" ] || [ -e "$(lease_of "$number")" ] || continue
        await_end_of "$number"
        [ -e "$(record_of "$number")" ] || write_lost_run "$number"
    done
    learn_from_runs_before
    [ $((dispatch_run - 1)) -le "$dispatch_goes_on_at_most" ] || fail "$(why_no_more)"
}

# The newest that knows counts: one that was lost before it began has nothing to add.
learn_from_runs_before() {
    local number file
    for ((number = dispatch_run - 1; number > 0; number--)); do
        for file in "$(record_of "$number")" "$(lease_of "$number")"; do
            [ -n "$(value_in "$file" "done")" ] || continue
            dispatch_done=$(number_in "$file" "done")
            dispatch_began_with=$(number_in "$file" began_with)
            dispatch_idle_before=$(number_in "$file" idle_before)
            dispatch_why_before=$(value_in "$file" why)
            learn_limits "$file"
            return
        done
    done
}

# The record of a run that could not write it, as jobs/lost_run.py writes it: what its lease says, and the claim if it had
# no lease yet.
write_lost_run() { # NUMBER
    local lease record new owner ended
    lease=$(lease_of "$1") record=$(record_of "$1") owner=$(readlink "$(claim_of "$1")")
    new=$(unfinished_record "$dispatch_run")
    ended=$(stat -c %Y "$lease" 2>/dev/null || stat -c %Y "$(claim_of "$1")")
    ended=$(date -u -d "@${ended:-0}" +%FT%T+00:00)
    rm -f "$new"
    {
        run_value token "$dispatch_token"
        run_value run "$1"
        if [ -e "$lease" ]; then
            values_of_lost_run "$lease"
        else
            run_value started "$ended"
            run_value host "${owner%%,*}"
            run_value scheduler_job_id "${owner##*, job }"
        fi
        run_value ended "$ended"
        run_value ending GOES_ON
        run_value why lost_node
        run_value reason "The run ended without a word, because its node was lost or switched off, or it was killed there."
    } | new_file "$new" && mv -fT "$new" "$record"
    rm -f "$new" "$lease" "$(unfinished_record "$1")"
}

# All that a lease says of the run, but what tells the lease itself from others; of a key with several lines, the last value.
values_of_lost_run() { # LEASE
    read_file "$1" | tr -d '\0' | awk '
        /^(token|run|process) / || !/^[^ ]+ ./ { next }
        !($1 in value) { keys[++known] = $1 }
        { value[$1] = $0 }
        END { for (at = 1; at <= known; at++) print value[keys[at]] }'
}
