# shellcheck shell=bash disable=SC2034,SC2154 # the job script makes the settings
# NVIDIA's multi-process service: this job's own control daemon on each node, unless the scheduler has started one for
# the job. The daemon is known by its own folder. A node's keeper starts the daemon before the ranks and ends it after them.

# The daemon of a folder, and the server that the daemon starts.
mps_processes() { # FOLDER
    local process
    for process in $(pgrep -u "$UID" nvidia-cuda-mps); do
        ! grep -qzxF "CUDA_MPS_PIPE_DIRECTORY=$1/pipe" "/proc/$process/environ" 2>/dev/null || echo "$process"
    done
}

mps_ask() { # FOLDER COMMAND [SECONDS]
    echo "$2" | CUDA_MPS_PIPE_DIRECTORY="$1/pipe" timeout "${3:-5}" nvidia-cuda-mps-control >/dev/null 2>&1
}

mps_stop() { # FOLDER
    [ -z "$(mps_processes "$1")" ] || mps_ask "$1" quit
    for _ in {1..20}; do
        [ -n "$(mps_processes "$1")" ] || break
        sleep 0.1
    done
    for process in $(mps_processes "$1"); do kill -KILL "$process" 2>/dev/null; done
    rm -rf "$1"
}

# A process is known by its number and its start time, because numbers are used again.
mps_owner() { # PID
    local began
    began=$(process_began "$1")
    [ -n "$began" ] && echo "$1 $began $(readlink /proc/self/ns/pid)"
}

# Removes what a job of this user left here if it was killed together with its keeper.
mps_clean() {
    local folder owner
    for folder in /tmp/relion-mps.*; do
        [ -O "$folder" ] || continue
        [ ! -L "$folder" ] || continue
        [ -s "$folder/owners" ] || [ -n "$(find "$folder" -prune -mmin +5)" ] || continue # not yet
        while read -r owner; do
            [ "${owner##* }" = "$(readlink /proc/self/ns/pid)" ] || continue 2 # not to be seen from here
            [ "$(mps_owner "${owner%% *}")" != "$owner" ] || continue 2 # its job lives
        done < <(cat "$folder/owners" 2>/dev/null)
        mps_stop "$folder"
    done
}

mps_obstacle() { # UUIDS GPUS: why MPS is not possible here, or nothing
    local holder
    case ${CUDA_VISIBLE_DEVICES:-}$2 in
    *MIG-* | *Enabled*) echo "a GPU is divided (MIG)" ;;
    *Exclusive_Process*)
        holder=$(timeout 20 nvidia-smi --id="$1" --query-compute-apps=pid,name --format=csv,noheader | head -n 1)
        [ -z "$holder" ] || echo "process $holder uses a GPU in exclusive mode"
        ;;
    esac
}

mps_start() { # FOLDER UUIDS LOGS: says why not, or nothing
    local process why last
    command -v nvidia-cuda-mps-control >/dev/null || { echo "the program nvidia-cuda-mps-control is missing"; return; }
    { mkdir -m 700 "$1" && mkdir "$1/pipe" "$1/log"; } 2>/dev/null || { echo "the folder $1 cannot be made"; return; }
    { mps_owner $$; mps_owner "$PPID"; } >"$1/owners.new" && mv "$1/owners.new" "$1/owners"
    # The ranks name the same devices by UUID, because the daemon counts its devices from 0. A site's options may
    # keep /tmp out of the container, but not this folder.
    echo "CUDA_MPS_PIPE_DIRECTORY=$1/pipe" >"$1/clients"
    echo "APPTAINER_BIND=$1${APPTAINER_BIND:+,$APPTAINER_BIND}" >>"$1/clients"
    [ -z "$2" ] || echo "CUDA_VISIBLE_DEVICES=$2" >>"$1/clients"
    env -u CUDA_VISIBLE_DEVICES ${2:+CUDA_VISIBLE_DEVICES="$2"} \
        CUDA_MPS_PIPE_DIRECTORY="$1/pipe" CUDA_MPS_LOG_DIRECTORY="$1/log" \
        nvidia-cuda-mps-control -f </dev/null >"$1/log/daemon.log" 2>&1 &
    last=$((SECONDS + 5))
    process=$! why="the MPS daemon did not answer within 5 s"
    while [ "$SECONDS" -le "$last" ]; do
        ! mps_ask "$1" get_server_list 1 || return 0
        kill -0 "$process" 2>/dev/null || { why="the MPS daemon ended: $(tail -n 1 "$1/log/daemon.log")"; break; }
        sleep 0.05
    done
    echo "$why"
    mps_end "$1" "$3" failed
}

# Takes the daemon that the scheduler has started for the job, which is the scheduler's to end.
mps_take() { # FOLDER PIPE: says why not, or nothing
    { mkdir -m 700 "$1" && mkdir "$1/log" && ln -s "$2" "$1/pipe"; } 2>/dev/null || { echo "the folder $1 cannot be made"; return; }
    { mps_owner $$; mps_owner "$PPID"; } >"$1/owners.new" && mv "$1/owners.new" "$1/owners"
    echo "CUDA_MPS_PIPE_DIRECTORY=$2" >"$1/clients"
    echo "APPTAINER_BIND=$1,$2${APPTAINER_BIND:+,$APPTAINER_BIND}" >>"$1/clients"
    mps_ask "$1" get_server_list || { echo "the scheduler's MPS daemon does not answer"; rm -rf "$1"; }
}

# What processes need to have in common with the daemon: its pipe, and the memory that processes share. One in a
# container may have process numbers of its own. Lines of other programs may stand around these.
mps_view() { # FOLDER
    echo # ends a line that another program has begun
    echo dispatch_sees pipe "$([ ! -S "$1/pipe/control" ] || echo yes)"
    echo dispatch_sees /dev/shm "$(stat -c %d /dev/shm)"
    echo dispatch_sees IPC "$(readlink /proc/self/ns/ipc)"
}

# Looks from inside the container of the ranks. Says why they could not use the daemon, which ends then, or
# nothing.
mps_unseen() { # FOLDER
    local line fact value why=''
    local -A seen=()
    [ -n "${dispatch_container[*]+set}" ] || return 0
    while read -r line fact value; do
        [ "$line" != dispatch_sees ] || seen[$fact]=$value
    done < <(
        while read -r line; do export "${line?}"; done <"$1/clients"
        timeout 20 "${dispatch_container[@]}" sh -c "$(declare -f mps_view); mps_view \"\$0\"" "$1" </dev/null 2>/dev/null
    )
    while read -r line fact value; do
        [[ $line == dispatch_sees && ${seen[$fact]-} != "$value" && -z $why ]] || continue
        case ${#seen[@]},$fact,${seen[$fact]-} in
        0,*) why="the container did not start, or not within 20 s" ;;
        *,pipe,*) why="the container does not see $1: apptainer.conf must allow users to bind folders" ;;
        *,/dev/shm,*) why="the container does not have the /dev/shm of its node: take --contain, --containall and --no-mount=dev out of apptainer.options in site.json" ;;
        *,IPC,) why="the container has no /proc, without which its IPC is not known: take --no-mount=proc out of apptainer.options in site.json" ;;
        *) why="the container has its own IPC: take --ipc and --containall out of apptainer.options in site.json" ;;
        esac
    done < <(mps_view "$1")
    [ -n "$why" ] || return 0
    echo "$why"
    mps_stop "$1"
}

mps_end() { # FOLDER LOGS ENDING: the daemon's logs become the job's folder LOGS unless all went well
    if [ "$3" = well ] && ! mps_ask "$1" get_server_list; then
        echo "relion-dispatch: MPS on $(uname -n) ended before the job: read $dispatch_job/$2." >&2
        set -- "$1" "$2" failed
    fi
    [ "$3" = well ] || keep_logs "$1" "$2"
    mps_stop "$1"
}

# Whatever bears the name of a log in the job's folder is removed first, so that nothing is written through a link.
keep_logs() { # FOLDER LOGS
    mkdir "$dispatch_folder/$2" 2>/dev/null
    ! open_folder "$dispatch_folder" "$2" || cp -r --remove-destination "$1/log/." "$dispatch_opened/"
}

# Lets the ranks find the daemon of their node, if the node has one.
join_mps() {
    local line
    if [ "$dispatch_nodes" -gt 1 ]; then
        # shellcheck disable=SC2016 # for the bash that starts each rank
        dispatch_task=(bash -c '[ ! -e "$0" ] || while read -r each; do export "${each?}"; done <"$0"; exec "$@"' "$dispatch_mps_folder/clients")
    elif [ "$dispatch_sharing" = mps ]; then
        while read -r line; do
            export "${line?}"
            [[ $line != CUDA_* ]] || export "APPTAINERENV_$line"
        done <"$dispatch_mps_folder/clients"
    fi
}
