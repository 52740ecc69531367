# shellcheck shell=bash disable=SC2034,SC2154 # relion-dispatch makes the settings, and puts the library of jobs before this
# The probe of `relion-dispatch doctor`. It looks at the machine on which it runs, judges nothing, and writes what it
# finds to the file `facts` of its folder, NAME=VALUE, a line each; the last one is `done`. Python reads and judges.
#   probe_folder     the folder of this job, which is removed in the end
#   probe_program    Apptainer's program
#   probe_image      the image, "" for none; probe_image_state as in image.sh
#   probe_container  an array: what starts the image, up to its file
#   probe_quiet      an array: the same without --quiet
#   probe_mpirun     an array: what starts ranks in the container
#   probe_launch     an array: what starts two ranks on two nodes, with their containers
#   probe_gpu_cards  the folder in which the driver has an entry for each card
#   probe_gpu_tool   nvidia-smi if the job has GPUs that it can ask; probe_mps: yes if jobs share them through MPS
#   probe_binds      an array: folders that the container is to see
#   probe_seconds    how long the other side is waited for

fact() { # NAME VALUE…
    local value="${*:2}"
    printf '%s=%s\n' "$1" "${value//$'\n'/ | }" >>"$probe_folder/facts"
}

whether() { # NAME COMMAND…
    if "${@:2}" >/dev/null 2>&1; then fact "$1" yes; else fact "$1" no; fi
}

now() { date +%s.%N; }

# A file system whose server does not answer holds up whoever looks there: then the exit status is 137.
look_there() { timeout -s KILL 30 "$@" 2>/dev/null; }

free_space() { look_there df -Pk "$1" | awk 'NR == 2 { print $4 }'; } # KiB

# What a command says of an error, else what it prints last. Apptainer colours its words.
last_words() {
    local said
    said=$(sed 's/\x1b\[[0-9;]*m//g' | grep -a '[[:alnum:]]')
    { grep -aE 'FATAL|[Ee]rror' <<<"$said" || printf '%s\n' "$said"; } | tail -n 3
}

# The name of a file is there all at once, as RELION's exit files are.
put() { # FILE TEXT
    printf '%s\n' "$2" >"$probe_folder/.$1.new" && mv "$probe_folder/.$1.new" "$probe_folder/$1"
}

# The two sides look for each other's file, as RELION looks for its exit files: by its name.
meet_other_side() {
    local left
    put here "$(now)"
    for ((left = probe_seconds * 10; left > 0; left--)); do
        [ ! -e "$probe_folder/ping" ] || break
        sleep 0.1
    done
    if [ "$left" -eq 0 ]; then
        fact met no
        return
    fi
    put pong "$(now)"
    fact met yes
}

# The other side holds the lock of the file `lock` meanwhile, if it can.
look_at_locks() {
    local said status=0
    said=$(flock -n "$probe_folder/lock" true 2>&1) || status=$?
    fact lock_status "$status"
    fact lock_said "$said"
    whether link ln "$probe_folder/lock" "$probe_folder/link"
    whether claim ln -sT one "$probe_folder/claim"
    whether second_claim ln -sT two "$probe_folder/claim" # which must not be possible
}

look_at_machine() {
    fact host "$(uname -n)"
    fact cores "$(getconf _NPROCESSORS_ONLN)"
    fact memory "$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)" # KiB
    fact shm_free "$(free_space /dev/shm)"
    fact tmp "${TMPDIR:-/tmp}"
    fact tmp_free "$(free_space "${TMPDIR:-/tmp}")"
    fact open_files "$(ulimit -n)"
    fact locked_memory "$(ulimit -l)" # KiB
    fact stack "$(ulimit -s)"         # KiB
    [ ! -e /dev/infiniband ] || fact infiniband yes
    # The submit command was given variables of a made-up job around it; a job must not see them.
    fact inherited "$(env | sed -n 's/^\([A-Z_]*RELION_DOCTOR\)=.*/\1/p' | tr '\n' ' ')"
}

look_at_container() {
    local began status=0 said name libexec
    fact apptainer "$("$probe_program" --version 2>&1 | last_words)"
    fact namespaces "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null)"
    whether unshare unshare --user --map-root-user true
    libexec=$("$probe_program" buildcfg 2>/dev/null | sed -n 's/^LIBEXECDIR=//p')
    [ ! -u "${libexec:-/nowhere}/apptainer/bin/starter-suid" ] || fact setuid yes
    whether fuse test -r /dev/fuse -a -w /dev/fuse
    for name in squashfuse_ll squashfuse fusermount3 fusermount; do
        [ ! -x "$(command -v "$name" || echo "${libexec:-/nowhere}/apptainer/bin/$name")" ] || fact has "$name"
    done
    [ -n "$probe_image" ] || return 0
    whether image_readable test -r "$probe_image"
    fact image_said "$(look_at_image "$probe_image" "$probe_image_state" 2>&1)"
    for name in "${probe_binds[@]}"; do
        look_there test -e "$name" || fact missing_bind "$name"
    done
    began=$(now)
    said=$(timeout 180 "${probe_quiet[@]}" true 2>&1 </dev/null) || status=$?
    fact start_seconds "$began $(now)"
    fact start_status "$status"
    fact start_said "$(last_words <<<"$said")"
    if [[ $said == *"temporary sandbox"* ]]; then
        fact unpacked yes
        # One start after the other would take longer than the job has time.
        [ "$(awk -v began="$began" -v now="$(now)" 'BEGIN { print (now - began > 30) }')" = 0 ] || probe_starts=
        [ -n "$probe_starts" ] || fact no_more_starts yes
    fi
    [ "$status" -eq 0 ] && [ -n "$probe_starts" ] || return 0
    began=$(now)
    said=$(timeout 60 "${probe_container[@]}" relion_refine --version 2>&1 </dev/null)
    fact second_seconds "$began $(now)"
    fact relion "$(sed -n 's/^RELION version: *\([^ ]*\).*/\1/p' <<<"$said")"
    fact relion_said "$(last_words <<<"$said")"
}

look_at_cards() {
    local line said status=0
    [ "$probe_gpu_tool" = nvidia-smi ] || return 0
    fact cards_of_node "$(find "$probe_gpu_cards" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)"
    fact listed "${CUDA_VISIBLE_DEVICES-all}"
    said=$(timeout 60 nvidia-smi --query-gpu=name,memory.total,driver_version,compute_mode,mig.mode.current,persistence_mode \
        --format=csv,noheader,nounits 2>&1) || status=$?
    fact cards_status "$status"
    if [ "$status" -ne 0 ]; then
        fact cards_said "$(last_words <<<"$said")"
        return
    fi
    while read -r line; do fact card "$line"; done <<<"$said"
    # A driver before 470 does not know this word.
    said=$(timeout 60 nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null) &&
        while read -r line; do fact capability "$line"; done <<<"$said"
    fact driver_cuda "$(timeout 60 nvidia-smi 2>/dev/null | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p')"
    [ -n "$probe_image" ] && [ -n "$probe_starts" ] || return 0
    fact cards_inside "$(timeout 60 "${probe_container[@]}" nvidia-smi -L 2>/dev/null </dev/null | grep -c '^GPU')"
    # shellcheck disable=SC2016 # for the shell inside
    fact image_cuda "$(timeout 60 "${probe_container[@]}" sh -c '
        { echo "$CUDA_VERSION"
          sed -n "s/.*\"version\" *: *\"\([0-9][0-9.]*\)\".*/\1/p" /usr/local/cuda/version.json | head -n 1
          ldd "$(command -v relion_refine)" | sed -n "s/.*libcudart\.so\.\([0-9][0-9.]*\).*/\1/p"
        } 2>/dev/null | grep "[0-9]" | head -n 1' 2>/dev/null </dev/null)"
    # The other side reads for which cards these have kernels.
    # shellcheck disable=SC2016
    timeout 120 "${probe_container[@]}" sh -c '
        program=$(command -v relion_refine)
        cp "$program" $(ldd "$program" | sed -n "s/.*=> *\(.*librelion[^ ]*\).*/\1/p") .' >/dev/null 2>&1 </dev/null
}

look_at_mps() {
    local said
    [ -n "$probe_mps" ] && [ "$probe_gpu_tool" = nvidia-smi ] || return 0
    fact mps_of_others "$(ps -eo user=,comm= | awk -v me="$(id -un)" '$2 ~ /^nvidia-cuda-mps/ && $1 != me { print $1 }' | sort -u)"
    probe_mps_folder=/tmp/relion-mps.doctor.$$
    trap 'mps_stop "$probe_mps_folder"' EXIT
    said=$(mps_start "$probe_mps_folder" '' mps)
    fact mps_said "$said"
    [ -z "$said" ] || return 0
    [ -z "$probe_image" ] || [ -z "$probe_starts" ] || fact mps_unseen "$(dispatch_container=("${probe_container[@]}") && mps_unseen "$probe_mps_folder")"
    mps_stop "$probe_mps_folder"
    fact mps_left "$(mps_processes "$probe_mps_folder")"
}

# RELION itself counts its ranks, before it looks for its input.
count_ranks() { # NAME SECONDS COMMAND…
    local said
    said=$(timeout "$2" "${@:3}" relion_run_ctffind_mpi --i absent.star --o . 2>&1 </dev/null)
    fact "$1" "$(sed -n 's/.*Number of MPI processes *= *\([0-9]*\).*/\1/p' <<<"$said" | tr '\n' ' ')"
    fact "$1_said" "$(grep -av 'absent.star' <<<"$said" | last_words)"
}

look_at_scratch() {
    local folder made there=yes status=0
    folder=$(name_scratch)
    fact scratch "$folder"
    [ -n "$folder" ] || return 0
    look_there test -d "$folder" || { status=$? there=no; }
    [ "$status" -ne 137 ] || there=unanswered
    fact scratch_there "$there"
    [ "$there" != unanswered ] || return 0
    made=$(look_there mkdir -p "$folder" && look_there mktemp -d "$folder/relion-doctor.XXXXXX") || made=''
    whether scratch_writable look_there cp /proc/self/status "${made:-/nowhere}/file"
    [ -z "$made" ] || look_there rm -rf "$made"
    fact scratch_kind "$(look_there stat -f -c %T "$folder")"
    fact scratch_free "$(free_space "$folder")"
    [ "$there" = yes ] || look_there rmdir "$folder"
}

# What it looks at is told before, for the case that this never ends.
look_at_everything() {
    fact looks_at "the machine"
    look_at_machine
    fact looks_at "the project's folder"
    meet_other_side
    look_at_locks
    fact looks_at "the scratch folder"
    look_at_scratch
    fact looks_at "the container"
    look_at_container
    fact looks_at "the GPUs"
    look_at_cards
    look_at_mps
    fact looks_at "two ranks"
    [ -z "$probe_image" ] || [ -z "$probe_starts" ] || count_ranks ranks 120 "${probe_container[@]}" "${probe_mpirun[@]}" -n 2
}

# Two ranks on two nodes, placed as a job's ranks are.
look_at_nodes() {
    dispatch_ranks=2 dispatch_leaders=1 dispatch_places=''
    fact host "$(uname -n)"
    forget_limits_of_the_script
    place_ranks
    count_ranks ranks_on_nodes 240 "${probe_launch[@]}"
    forget_places
}

# Waits to be cancelled, or to be warned of its end; then it sees whether a job would have time to say so.
wait_for_signal() { # SECONDS, THOSE AFTER THE SIGNAL
    local name came='' began=$SECONDS left
    for name in TERM USR1 USR2 XCPU INT; do
        # shellcheck disable=SC2064 # the name as it is now
        trap "came=$name" "$name"
    done
    fact host "$(uname -n)"
    fact begun yes
    sleep "$1" &
    wait $!
    [ -n "$came" ] || return 0
    fact signal "$came" $((SECONDS - began))
    trap '' TERM USR1 USR2 XCPU INT
    kill -KILL $! 2>/dev/null
    for ((left = $2; left > 0; left--)); do sleep 1; done
    fact lived_on "$2"
}

probe_starts=yes # containers are started, but for one that takes too long
cd "$probe_folder" || exit 1
exec </dev/null >>run.out 2>>run.err
dispatch_folder=$probe_folder
forget_shell_settings
probe_loads
case $probe_task in
everything) look_at_everything ;;
nodes) look_at_nodes ;;
cancelled) wait_for_signal 280 0 ;;
warned) wait_for_signal 170 8 ;;
esac
fact "done" yes
exit 0
