# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What a job script knows of PBS, beside its directives (library/scheduler.sh says what each function is for).

opens_texts() { return 1; }

# The time limit of a job that asks for none is its queue's.
time_limit() {
    local limit
    limit=$(ask_in_time 5 qstat -f "$PBS_JOBID" 2>/dev/null | sed -n 's/^ *Resource_List\.walltime = //p')
    [[ ! $limit =~ ^([0-9]+):([0-9]+):([0-9]+)$ ]] ||
        echo $((10#${BASH_REMATCH[1]} * 3600 + 10#${BASH_REMATCH[2]} * 60 + 10#${BASH_REMATCH[3]}))
}

# PBS makes a session for a login shell, which runs the script.
scheduler_made_session() {
    [ "$(ps -o comm= -p "$(ps -o ppid= -p "$dispatch_session" | tr -d " ")")" = pbs_mom ]
}

words_of_job() { echo "$dispatch_scheduler_job"; }

# An answer that is none says nothing: the job may be there.
may_have_job() { # JOB
    local found
    command -v qstat >/dev/null || return 0
    found=$(ask_in_time 10 qstat "$1" 2>&1) || [[ $found != *"Unknown Job Id"* && $found != *"Job has finished"* ]]
}

scheduler_programs() { echo 'pbs_[a-z]*|pbsdsh|qsub|qstat'; }
scheduler_that_ends_jobs() { echo '=>> PBS'; }

cancel_jobs() { ask_in_time 10 qdel "$@"; } # JOBS…

# The jobs after the job, by their name: they would wait in the queue and find nothing to tell.
dismiss_watcher() {
    local watchers
    relion_was_told || return 0
    mapfile -t watchers < <(ask_in_time 10 qselect -u "$(id -un)" -N "end.$dispatch_token")
    [ "${#watchers[@]}" -eq 0 ] || cancel_jobs "${watchers[@]}"
}
