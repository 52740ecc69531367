# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# What looks after a job: functions in plain bash. The job script makes the settings below, evaluates
# this text, and calls begin_job, clean_environment, prepare_nodes, look_after_gpus and run_commands.
#
# Settings of every job (those of a job on GPUs are in gpu.sh):
#   dispatch_job               RELION's name of the job, Refine3D/job019, seen from the project's folder; begin_job
#                              opens it as dispatch_folder (files.sh)
#   dispatch_token             12 digits that tell this submission from every other
#   dispatch_waiting_program   which program waits for the job's end: RELION, or the PIPELINER (relion.sh)
#   dispatch_scheduler_job     the scheduler's id of the job
#   dispatch_outfile, dispatch_errfile   RELION's run.out and run.err
#   dispatch_nodes             on how many nodes the job runs
#   dispatch_image             the image's file; empty for a job that runs on the host
#   dispatch_image_state       size in bytes and SIF id of the image that was chosen
#   dispatch_environment       an array: the variables that go into the container if they are set
#   dispatch_for_apptainer     names of the variables of Apptainer's own that the site lets through to it
#   dispatch_uses_scratch      yes if the job has scratch data; else empty
#   dispatch_scratch_for_all   the folder in which the job makes one for its scratch data
#   dispatch_users_scratch     a scratch folder that is to be left as it is
#   dispatch_variables, dispatch_scratch_variables, dispatch_scratch_begins   arrays: the variables that the
#                              commands name, those of them that are in the name of the scratch folder, and
#                              those that this name begins with
#   dispatch_binds             an array: what the container sees beside the project, see binds.sh
#   dispatch_lock              the file whose lock local jobs take in turn; empty for none
#   dispatch_abort_grace       seconds that programs get to end by themselves after the user aborts the job
#   dispatch_own_warning, dispatch_time_limit   where the scheduler does not warn of the time limit: seconds before it
#                              at which the script stops the job, and the limit that the job asks for, in seconds
# Functions of the job script: commands and reasons; dispatch_know_container if commands share what starts their
# container, and dispatch_epilogue if a site's own template has one: a user may export functions, so those that
# not every script has bear names that no user gives. The comments in scheduler.sh say what a scheduler's
# functions are for.

# The steps with which a job begins. `finish` tells RELION of a failure, so its trap is set early.
begin_job() {
    forget_shell_settings
    forget_scheduler_options
    [ -n "${dispatch_folder:-}" ] || enter_job # a script of a site's own base.sh.j2 has not opened the folder
    dispatch_folder_number=$(stat -Lc %i "$dispatch_folder/." 2>/dev/null)
    dispatch_outfile=${dispatch_outfile/#"$dispatch_job/"/"$dispatch_folder/"}
    dispatch_errfile=${dispatch_errfile/#"$dispatch_job/"/"$dispatch_folder/"}
    opens_texts || open_texts
    dispatch_host=$(uname -n) # HOSTNAME may name the machine that submitted the job
    dispatch_kept=/dev/null
    dispatch_scratch=$dispatch_scratch_for_all/relion-dispatch.$(od -An -N8 -tx1 /dev/urandom | tr -d ' ')
    dispatch_status=0 dispatch_reason='' dispatch_ending='' dispatch_told='' dispatch_facts=''
    dispatch_command='' dispatch_guard='' dispatch_overdue='' dispatch_task=()
    dispatch_keeper_pid='' dispatch_gpu_usage='' dispatch_places='' dispatch_left_out=() dispatch_scratch_mounts=()
    dispatch_at=0 dispatch_done=0 dispatch_began_with=0 dispatch_idle_before=0 dispatch_from='' dispatch_cut=''
    dispatch_most_each='' dispatch_most_ranks='' dispatch_least_free='' dispatch_least_memory='' dispatch_next='' dispatch_raised_from=''
    remember_script
    dispatch_run=1
    claim_job
    dispatch_control=$dispatch_job/.dispatch_control.$(run_token "$dispatch_run")
    find_session
    dispatch_kills_before=$(memory_kills)
    heed_signals
    [ -z "$dispatch_reason" ] || exit 1
    follow_runs
    begin_unless_over
    [ -z "$dispatch_lock" ] || wait_for_lock
    dispatch_began=$SECONDS dispatch_started=$(date -u +%FT%T+00:00)
    begin_lease
    ! may_have_runs || learn_end
    reasons
    remember_texts
}

# From here on the script, and what it starts, write to RELION's files.
open_texts() {
    exec </dev/null
    open_text "$dispatch_outfile" && exec >>"$dispatch_opened"
    open_text "$dispatch_errfile" && exec 2>>"$dispatch_opened"
}

aborted() { wants_abort || end_is_told ABORTED; }

abort_before_start() {
    dispatch_ending=ABORTED
    dispatch_reason="The job was $(how_aborted) before it started."
    exit 0
}

# The job begins, unless RELION was already told that the job is over.
begin_unless_over() {
    ! aborted || abort_before_start
    ! end_is_told FAILURE ||
        fail "The job did not start, because RELION was already told that the job had failed: submit the job again."
    # The run before has told it after this one had its claim.
    [ "$dispatch_run" -eq 1 ] || ! end_is_told SUCCESS || exit 0
    remove_name "$dispatch_folder/RELION_JOB_EXIT_SUCCESS"
    relion_waits || remove_name "$dispatch_folder/PIPELINER_JOB_EXIT_SUCCESS"
    make_control
    dispatch_began=$SECONDS
    begin_guard
}

# Makes the folder for RELION's control files, the file that becomes the exit file, and room for the last sentence.
make_control() {
    local old name=${dispatch_control##*/}
    for old in "$dispatch_folder"/.dispatch_control.*; do
        remove_control "${old##*/}"
    done
    if dispatch_facts=$(LC_ALL=C mkdir -m 700 "$dispatch_folder/$name" 2>&1) && open_control &&
        : >"$dispatch_kept/ending" && head -c 65536 /dev/zero >"$dispatch_kept/reserve"; then
        dispatch_facts=''
        return
    fi
    dispatch_facts+=$'\n'
    [[ $dispatch_facts != *"File exists"* ]] ||
        fail "The job could not begin, because $dispatch_control is there and is not this job's: remove it, and submit the job again."
    exit 1
}

# One job of this user at a time on this machine; the lock goes with the last of its processes.
wait_for_lock() {
    [ -e "$dispatch_lock" ] || new_file "$dispatch_lock" </dev/null
    open_file "$dispatch_lock" && exec 9<>"$dispatch_opened"
    until flock -w 2 -E 75 9 2>/dev/null; do
        [ $? -eq 75 ] ||
            fail "The job could not begin, because the lock $dispatch_lock cannot be taken: show this line to your admin."
        ! aborted || abort_before_start
    done
    ! aborted || abort_before_start
    printf '%s\n' "$dispatch_token" "$dispatch_job" "$PWD" 2>/dev/null >/proc/self/fd/9 # for those that wait
}
