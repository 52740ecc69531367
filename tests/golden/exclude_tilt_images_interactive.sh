#!/bin/bash
exec </dev/null >>ExcludeTiltImages/job032/run.out 2>>ExcludeTiltImages/job032/run.err
dispatch_scheduler_job=$$
# ExcludeTiltImages/job032 (job type exclude_tilt_images), written by relion-dispatch 0.1.0

# What runs.
commands() {
    dispatch_program=relion_python_tomo_exclude_tilt_images
    run apptainer --quiet exec --no-eval --cleanenv \
        --mount=type=bind,source=/data/project,destination=/data/project \
        --pwd=/data/project \
        /data/site/relion-5.1.0-cpu.sif \
        relion_python_tomo_exclude_tilt_images --tilt-series-star-file A/job1/aligned.star \
        --cache-size 5 --output-directory ExcludeTiltImages/job032/ --pipeline_control "${dispatch_control}"/ || exit 1
}
# Why it runs like this.
reasons() {
    cat <<'END_OF_REASONS'
relion-dispatch 0.1.0
  Job type exclude_tilt_images (submit → interactive → exclude_tilt_images): relion_python_tomo_exclude_tilt_images.
  Image relion 5.1.0 (cpu): the site's default.
END_OF_REASONS
}

# The rest sees to it that RELION learns how that ended.
cd /data/project || exit 1
unset "${!SQUEUE_@}" "${!SCANCEL_@}" "${!SCONTROL_@}" SLURM_CLUSTERS # or the scheduler may hide jobs
dispatch_job=ExcludeTiltImages/job032
dispatch_token=000000000000
dispatch_host=$(uname -n) # HOSTNAME may be that of the machine that the job was submitted from
dispatch_status=0

# How RELION is told the end: by one of three files. This script makes it; RELION's programs put theirs
# into a folder in which RELION does not look.
dispatch_control=$dispatch_job/.dispatch_control.$dispatch_token
relion_was_told() {
    ls "$dispatch_job" >/dev/null # makes a network file system look again
    compgen -G "$dispatch_job/RELION_JOB_EXIT_*" >/dev/null
}
# A file made beforehand is renamed, which works on a full disk as well; if all else fails, the script.
make_exit_file() { # SUCCESS, FAILURE or ABORTED
    local file=$dispatch_job/RELION_JOB_EXIT_$1
    [ ! -e "$file" ] || return 0
    mv "$dispatch_control/ending" "$file" 2>/dev/null
    touch "$file" || [ -e "$file" ] || mv "$dispatch_job/run_submit.script.run" "$file"
}
# A submission runs once: the first copy that can make this link has the job, and the link stays.
dispatch_claim=$dispatch_job/.dispatch_claim.$dispatch_token
dispatch_reason=
dispatch_owner="$dispatch_host, process $$, $(date +%FT%T.%N), job ${dispatch_scheduler_job:-}"
if ! ln -sT "$dispatch_owner" "$dispatch_claim" 2>/dev/null; then
    dispatch_found=$(readlink "$dispatch_claim")
    case $dispatch_found in
    "$dispatch_owner") ;; # it is there after all, as on a network file system that asked twice
    '')
        dispatch_reason="The job could not begin, because nothing can be written to $dispatch_job on $dispatch_host: free space or mend the folder's permissions, and submit the job again."
        ;;
    *", job ${dispatch_scheduler_job:-none}")
        ! relion_was_told || exit 0
        dispatch_reason="The job was interrupted, and its scheduler started it once more: continue it from its last iteration, or run it again."
        ;;
    *)
        echo "relion-dispatch: this is a second copy of the job, or one that was given up, and stops; claimed by: $dispatch_found"
        exit 0
        ;;
    esac
fi
# Whether the folder has a newer submission, as when this job's node was taken for lost: then all that
# RELION is told, and all that stands there, is that one's.
overtaken() {
    local newest
    newest=$(grep -m 1 '^dispatch_token=' "$dispatch_job/run_submit.script.run" 2>/dev/null)
    [ -n "$newest" ] && [ "$newest" != "dispatch_token=$dispatch_token" ]
}
if overtaken; then
    echo "relion-dispatch: this job stops, as it was submitted anew after it."
    rm -f "$dispatch_claim"
    exit 0
fi
for dispatch_found in "$dispatch_job"/.dispatch_claim.*; do
    [ "$dispatch_found" = "$dispatch_claim" ] || rm -f "$dispatch_found"
done

# RELION waits for exactly one of three files, and believes SUCCESS before the others.
dispatch_ending=
said() { [ -e "$dispatch_control/RELION_JOB_EXIT_$1" ] || [ -e "$dispatch_job/RELION_JOB_EXIT_$1" ]; }
decide_ending() {
    if said ABORTED || [ -e "$dispatch_control/RELION_JOB_ABORTED" ] ||
        { [ "$dispatch_status" -ne 0 ] && [ -e "$dispatch_job/RELION_JOB_ABORT_NOW" ]; }; then
        dispatch_ending=ABORTED
    elif [ "$dispatch_status" -ne 0 ] || said FAILURE; then
        [ "$dispatch_status" -ne 0 ] || dispatch_status=1
        dispatch_ending=FAILURE
    else
        dispatch_ending=SUCCESS
    fi
}
tell_relion() {
    ls "$dispatch_job" >/dev/null # makes a network file system look again
    ! overtaken || return 0
    [ -n "$dispatch_ending" ] || decide_ending
    for dispatch_other in SUCCESS FAILURE ABORTED; do
        [ "$dispatch_other" = "$dispatch_ending" ] || rm -f "$dispatch_job/RELION_JOB_EXIT_$dispatch_other"
    done
    # Once only: RELION's user may continue the job while the rest of it is being ended.
    [ -n "${dispatch_told:-}" ] || make_exit_file "$dispatch_ending"
    [ ! -e "$dispatch_job/RELION_JOB_EXIT_$dispatch_ending" ] || dispatch_told=yes
}
# When a process started: what tells it from another that gets its number later. Nothing of a dead one.
process_began() { # PID
    local fields
    { read -r fields <"/proc/$1/stat"; } 2>/dev/null || return 0
    read -ra fields <<<"${fields##*) }"
    [ "${fields[0]}" = Z ] || echo "${fields[19]}"
}
# MPI puts each rank in a process group of its own, so ranks outlive an mpirun that was killed; but
# they stay in this script's session, which only holds the job where this script leads it, or where
# Slurm made it, in which case its leader is gone.
dispatch_session=$(ps -o sid= -p $$ | tr -d ' ')
[ "$dispatch_session" = $$ ] || [ "$(ps -o comm= -p $PPID)" = slurmstepd ] || dispatch_session=
end_processes() {
    [ -n "$dispatch_session" ] || return 0
    for dispatch_process in $(pgrep -u "$(id -u)" -s "$dispatch_session"); do
        case $dispatch_process in
        "$$" | "$PPID" | "$BASHPID") ;;
        *) kill -KILL "$dispatch_process" 2>/dev/null ;;
        esac
    done
}
# What was written to run.out and run.err before this run is not about it.
remember_texts() {
    dispatch_out_before=$(stat -c %s ExcludeTiltImages/job032/run.out 2>/dev/null)
    dispatch_err_before=$(stat -c %s ExcludeTiltImages/job032/run.err 2>/dev/null)
}
# Processes that the kernel has killed because the job's memory was used up, where cgroups tell.
memory_kills() {
    local own
    own=$(sed -n 's/^0:://p; s/^[0-9]*:memory:/\/memory/p' /proc/self/cgroup | tail -n 1)
    sed -n 's/^oom_kill //p' "/sys/fs/cgroup$own/memory.events" "/sys/fs/cgroup$own/memory.oom_control"
} 2>/dev/null
dispatch_kills_before=$(memory_kills)
dispatch_facts=
# Whether a folder can be written to: prints what the system says where it cannot.
probe() {
    { head -c 4096 /dev/zero >"$1/.dispatch_probe"; } 2>&1
    rm -f "$1/.dispatch_probe"
}
# All that may tell why the job failed: what this script has seen, then what the programs wrote.
evidence() {
    printf '%s' "$dispatch_facts"
    echo "exit status $dispatch_status"
    [ "$(memory_kills)" = "$dispatch_kills_before" ] || echo "oom-kill"
    probe "$dispatch_job"
    [ -z "${dispatch_err_before:-}" ] || tail -c "+$((dispatch_err_before + 1))" ExcludeTiltImages/job032/run.err | tail -c 60000
    [ -z "${dispatch_out_before:-}" ] || tail -c "+$((dispatch_out_before + 1))" ExcludeTiltImages/job032/run.out | tail -c 60000
}
# The causes that config/endings.json knows: a pattern for grep -E, then what to say and what helps.
cause() {
    local text pattern sentence
    text=$(evidence 2>/dev/null | tr -d '\0' | LC_ALL=C grep -av '^relion-dispatch: ')
    while IFS= read -r pattern && IFS= read -r sentence; do
        printf '%s\n' "$text" | LC_ALL=C grep -aEiq -e "$pattern" || continue
        echo "$sentence"
        return
    done <<'END_OF_CAUSES'
^the job script was killed$
its job script was killed (signal 9): look at the scheduler's log or ask your admin who ended it, and submit the job again
^stopped at the time limit$|due to time limit
it reached its time limit: continue it from its last iteration, or ask for more time ("time" in job_parameters)
^stopped by signal
it was cancelled in the scheduler or stopped from outside: submit it again if that was not you
CudaCustomAllocator out of memory|You ran out of memory on the GPU|out of memory in .*\(error-code 2\)|plan one or more Fourier transforms|CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|hipErrorOutOfMemory
a GPU ran out of memory: use fewer ranks per GPU ("nproc" in job_parameters), skip padding (--pad 1), limit the orientations (--maxsig 500), or add --free_gpu_memory 1000
There was an issue with the GPU-ids|no CUDA-capable device|CUDA driver version is insufficient|CUDA_ERROR_NO_DEVICE
RELION found no GPU that it could use: ask your admin whether the node's driver and GPUs are in order, and whether the image fits them
device.* busy or unavailable|CUDA_ERROR_DEVICE_UNAVAILABLE|cudaErrorDevicesUnavailable
a GPU was held by another process: submit it again; if that does not help, show this line to your admin, as a GPU in exclusive mode takes one process without MPS
MPS (client|server|control daemon).*(fail|error|not ready|exhausted|terminated)|cudaErrorMps|CUDA_ERROR_MPS
its ranks could not work through NVIDIA's MPS: show mps_log_HOST in the folder of the job to your admin, who can leave MPS out ("mps" in site.json)
oom.kill|killed process .*memory|std::bad_alloc|cannot allocate memory|out of memory|MemoryError
the memory of the job was used up: ask for more ("mem" in job_parameters), use fewer ranks, or do not pre-read all particles into RAM
on signal 9 \(Killed\)|signal: Killed|^exit status 137$
one of its processes was killed (signal 9), which the system does when memory is used up: ask for more memory ("mem" in job_parameters) or use fewer ranks
Number of MPI processes +=  *1$
its ranks started as single processes that did not find each other: the MPI that starts the ranks must be the image's own, so show this line to your admin ("mpi" in site.json)
at least [a-z0-9]+ MPI processes|odd number of MPI processes|number of MPI (processes|ranks) .*odd
RELION needs an odd number of ranks here, at least 3: correct "nproc" in job_parameters
not enough slots available
MPI found too few slots for its ranks: show this line to your admin ("mpirun" in site.json should have --oversubscribe)
^scratch: .*(No space left on device|Disk quota exceeded)
the scratch disk of the node is full: leave the scratch folder empty in RELION's window, or name a larger one
No space left on device|Disk quota exceeded
the disk is full, or your quota on it is used up: free space and submit the job again
executable file not found|command not found|unable to (find|launch) the specified|could not (find|access) (the|or execute an) executable|^exit status 127$
a program is missing in the container image or on the node: use an image that has it (`relion-dispatch images`), or tell your admin
error while loading shared libraries|cannot open shared object file|ModuleNotFoundError
a library is missing in the container image or on the node: show this line and the one with its name above to your admin
^FATAL: .*(image|container|mount)|could not open image|failed to mount
its container could not be started: show run.err to your admin
Read-only file system
it wanted to write where the file system is read-only: choose another folder, or ask your admin to bind it into the container ("bind" in site.json)
Permission denied
it may not read or write a file that it needs: mend the permissions of the file named above
No such file or directory|does not exist|File .* cannot be read|cannot (open|read) file|was not found
a file that it needs is not there: look for the file named above; the container sees the project, your home folder and what "bind" in site.json names
error in reading .* of image|Memory allocation size requested is zero
an image or map that it reads is damaged or empty: look for its name above or in RELION's window, and write that file anew
MPI_ABORT was invoked
one of its ranks met an error and stopped the others: look for the first error above, or in run.out
END_OF_CAUSES
    echo "${dispatch_program:-a step before the first program} ended with status $dispatch_status: its last lines, above and in run.out, say why"
}
# One plain sentence at the end of run.err. The reserve in the control folder makes room for it.
explain() {
    local took=$((SECONDS - ${dispatch_began:-SECONDS}))
    took=$(printf '%d:%02d:%02d' $((took / 3600)) $((took / 60 % 60)) $((took % 60)))
    if overtaken; then
        rm -rf "$dispatch_control"
        echo "relion-dispatch: this job stops, as it was submitted anew after it."
        return
    fi
    if [ -n "$dispatch_reason" ]; then
        :
    elif [ "$dispatch_ending" = ABORTED ]; then
        dispatch_reason="The job was aborted after $took, as asked for in RELION${dispatch_overdue:+; its programs did not end by themselves within $dispatch_overdue s}."
    elif [ "$dispatch_ending" = FAILURE ]; then
        dispatch_reason="The job failed after $took, because $(cause)."
    fi
    rm -f "$dispatch_control/reserve"
    [ -z "$dispatch_reason" ] || echo "relion-dispatch: $dispatch_reason" >&2
    rm -rf "$dispatch_control" # last: while it is there, the sentence may be missing
}
fail() {
    dispatch_reason=$*
    exit 1
}
# How the run went becomes the last entry of the record, dispatch.json, whose last line is "}".
json_text() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    [ -z "$1" ] || text="\"${text//[[:cntrl:]]/ }\""
    printf '%s' "${text:-null}"
}
record_is_ours() { grep -q "^  \"token\": \"$dispatch_token\"" "$dispatch_job/dispatch.json"; }
complete_record() (
    record=$dispatch_job/dispatch.json new=$dispatch_job/.dispatch.json.run
    [ -e "$record" ] || return
    exec 7>>"$dispatch_job/.dispatch.json.lock" && flock -w 5 7 # the hook may be writing it as well
    [ "$(tail -n 1 "$record")" = "}" ] && record_is_ours || return
    {
        # A hook that was killed between submission and note has left the id to us.
        head -n -1 "$record" | sed -e "s/^  \"job_id\": null/  \"job_id\": $(json_text "${dispatch_scheduler_job:-}")/" -e '$ s/$/,/'
        echo '  "run": {'
        echo "    \"started\": $(json_text "${dispatch_started:-}"),"
        echo "    \"ended\": $(json_text "$(date -u +%FT%T+00:00)"),"
        echo "    \"host\": $(json_text "$dispatch_host"),"
        echo "    \"scheduler_job_id\": $(json_text "${dispatch_scheduler_job:-}"),"
        echo "    \"exit_status\": $dispatch_status,"
        echo "    \"ending\": $(json_text "$dispatch_ending"),"
        echo "    \"reason\": $(json_text "$dispatch_reason"),"
        echo "    \"gpus\": ${dispatch_gpu_usage:-null}"
        printf '  }\n}\n'
    } >"$new" && mv "$new" "$record"
    rm -f "$new" "$dispatch_job"/.{dispatch.json,run_submit.script.*}.[0-9]* # of a hook that was killed
)
# Runs a function of this script on each node of the job, SLURM_HOSTFILE being about the ranks alone.
on_each_node() { # FUNCTION ARGUMENTS…
    ("$@")
}
finish() {
    dispatch_exit=$?
    [ "$dispatch_status" -ne 0 ] || dispatch_status=$dispatch_exit
    trap - EXIT
    trap '' TERM INT HUP USR1 USR2
    end_guard
    tell_relion
    end_processes 2>/dev/null
    tell_relion # once more, as the last of them may have written a file as well
    explain
    complete_record 2>/dev/null
    ! declare -F dismiss_watcher >/dev/null || dismiss_watcher 2>/dev/null
    exit "$dispatch_status"
}
# The scheduler may follow up with KILL, so RELION is told first.
stop() {
    trap '' TERM INT HUP USR1 USR2
    dispatch_status=$((128 + $1))
    dispatch_facts="stopped by signal $1"$'\n'
    tell_relion
    if [ -n "${dispatch_command:-}" ] && kill -TERM "$dispatch_command" 2>/dev/null; then
        for _ in {1..30}; do
            kill -0 "$dispatch_command" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$dispatch_command" 2>/dev/null
        wait "$dispatch_command" 2>/dev/null
    fi
    if [ "$1" -eq 15 ] && declare -F time_limit_reached >/dev/null && time_limit_reached; then
        dispatch_facts="stopped at the time limit"$'\n'
    fi
    exit "$dispatch_status"
}
# Beside the commands: a wish to abort is passed on to RELION's programs, and after a grace time
# the job is stopped. It also is where RELION was told meanwhile that it has failed, or where it was
# submitted anew. Should this script be killed, RELION is told so.
guard() {
    local asked=0 failed=0
    trap - EXIT
    trap '' TERM INT HUP USR1 USR2
    exec 8<> <(:) # nothing is ever read from there: a pause without a process
    while [ "$(process_began $$)" = "$dispatch_script_began" ]; do
        if [ -e "$dispatch_job/RELION_JOB_ABORT_NOW" ]; then
            [ "$asked" -ne 0 ] || touch "$dispatch_control/RELION_JOB_ABORT_NOW"
            [ "$asked" -lt 120 ] || kill -USR1 $$ 2>/dev/null
            asked=$((asked + 2))
        fi
        ! overtaken || kill -USR2 $$ 2>/dev/null
        if [ -e "$dispatch_job/RELION_JOB_EXIT_FAILURE" ]; then
            [ "$failed" -lt 120 ] || kill -TERM $$ 2>/dev/null
            failed=$((failed + 2))
        fi
        read -rt 2 -u 8
    done
    dispatch_status=137
    dispatch_facts="the job script was killed"$'\n'
    dispatch_guard=
    finish
}
dispatch_script_began=$(process_began $$)
begin_guard() {
    end_guard
    guard &
    dispatch_guard=$!
    disown "$dispatch_guard" # or bash would tell of its end
}
end_guard() { # if it is still that process
    [ -z "${dispatch_guard:-}" ] || [ "$(ps -o ppid= -p "$dispatch_guard" | tr -d ' ')" != $$ ] ||
        kill -KILL "$dispatch_guard" 2>/dev/null
}
# In the background, so that a signal is acted on at once and not after RELION's last iteration.
run() {
    ! aborted || exit 1
    "$@" &
    dispatch_command=$!
    wait "$dispatch_command"
    dispatch_status=$?
    dispatch_command=
    # Not all of RELION's programs notice that a disk is full: what they wrote then is cut short.
    if [ "$dispatch_status" -eq 0 ] && { said FAILURE || [ -n "$(probe "$dispatch_job")" ]; }; then
        dispatch_status=1
    fi
    [ "$dispatch_status" -eq 0 ] || exit "$dispatch_status"
}
trap finish EXIT
trap 'stop 15' TERM
trap 'stop 2' INT
trap 'stop 1' HUP
trap 'dispatch_overdue=120; stop 15' USR1
trap 'stop 12' USR2

# The claim could not be had: RELION is told only now, as `finish` must be in place.
[ -z "$dispatch_reason" ] || exit 1
# The job begins, unless RELION was told before that it is over.
aborted() { [ -e "$dispatch_job/RELION_JOB_ABORT_NOW" ] || [ -e "$dispatch_job/RELION_JOB_EXIT_ABORTED" ]; }
abort_before_start() {
    dispatch_ending=ABORTED
    dispatch_reason="The job was aborted in RELION before it started."
    exit 0
}
! aborted || abort_before_start
[ ! -e "$dispatch_job/RELION_JOB_EXIT_FAILURE" ] ||
    fail "The job did not start, because RELION was told before that it had failed: submit it again."
rm -rf "$dispatch_job"/.dispatch_control.* "$dispatch_job/RELION_JOB_EXIT_SUCCESS"
if ! mkdir "$dispatch_control" || ! : >"$dispatch_control/ending" ||
    ! head -c 65536 /dev/zero >"$dispatch_control/reserve"; then
    exit 1
fi
dispatch_began=$SECONDS
begin_guard
dispatch_began=$SECONDS dispatch_started=$(date -u +%FT%T+00:00)

reasons
remember_texts

# A clean environment in the container, but for these variables where they are set.
for dispatch_name in RELION_STACK_BUFFER RELION_SHELL RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE RELION_BLUSH_ARGS CUDA_VISIBLE_DEVICES; do
    [ -z "${!dispatch_name+set}" ] || export "APPTAINERENV_$dispatch_name=${!dispatch_name}"
done
export APPTAINERENV_PYTHONNOUSERSITE=1
[ -z "${DISPLAY:-}" ] || export APPTAINERENV_DISPLAY="$DISPLAY"
[ -z "${XAUTHORITY:-}" ] || export APPTAINERENV_XAUTHORITY="$XAUTHORITY"

# The image must be the file that was chosen, on each node: its size and the id in its header.
look_at_image() { # FILE STATE
    local found
    if [ ! -e "$1" ]; then
        echo "The image $1 is not there on $(uname -n): have your admin put it back, and submit the job again."
        return 1
    fi
    found="$(stat -Lc %s "$1") $(od -An -tx1 -j48 -N16 "$1" | tr -d ' \n')"
    [ "$found" = "$2" ] && return
    echo "The image $1 on $(uname -n) is not the one that was chosen (size and SIF id $found instead of" \
        "$2): have your admin put the right file there, and submit the job again."
    return 1
}
if ! dispatch_reason=$(on_each_node look_at_image /data/site/relion-5.1.0-cpu.sif '141 7bd8c2cc7e74564e9c3786f45b6092ba'); then
    dispatch_reason=${dispatch_reason%%$'\n'*}
    exit 1
fi
begin_guard # once more: it is a process of its own, and now knows what the steps before have made
commands
