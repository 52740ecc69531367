#!/usr/bin/env bash
# A throw-away Slurm cluster for the system tests: real daemons, two nodes
# (gpu1, gpu2), four pretend GPUs each, all on 127.0.0.1 of one Debian machine.
#
#   slurm_cluster.sh install      packages, without starting their services
#   slurm_cluster.sh start DIR    prints "export SLURM_CONF=DIR/slurm.conf"
#   slurm_cluster.sh stop DIR     ends what start began; DIR/log stays to be read
#
# While it runs, the owner of the folder above DIR may write lines to DIR/run/operator:
#   lose gpu1     kills slurmd, and with it all processes of the node, as a power cut does
#   silence gpu1  kills slurmd alone, and the node's jobs live on: Slurm calls the node lost
#   down gpu1     is what an admin does who sets the node to down: Slurm ends the node's jobs
#   return gpu1   starts the node again, or its slurmd, and lets it take jobs
#
# Root runs the daemons (sudo is used if needed); any user who can reach DIR may
# submit, so DIR does not belong in a folder closed to that user.
# A node has namespaces of its own: host name, processes, /dev/shm, and /tmp, as
# PMIx of two nodes collides in a shared one. Job scripts, their output and project
# folders must therefore lie elsewhere, as below the user's home, not in /tmp.
# SLURM_CLUSTER_PORT=N: take the ports N, N+1 and N+2 instead of looking for free
# ones. SLURM_CLUSTER_NAME=NAME: another name than relion-dispatch-test.
# SLURM_CLUSTER_TREE=FOLDER: with the Slurm of newest_slurm.sh, whose commands are in FOLDER/bin.
# SLURM_CLUSTER_ACCOUNTING=DIR: a folder in which slurm_accounting.sh has started a slurmdbd, which
# the cluster tells of its jobs; SLURM_CLUSTER_REMEMBERS=SECONDS: for how long it knows ended ones itself.
# SLURM_CLUSTER_PLAIN=yes: this machine as two nodes (node1, node2) without GPUs, each with its cores
# (four at least, as a refinement needs three ranks) and half of its memory.
# SLURM_CLUSTER_PREEMPTS=yes: with partitions whose jobs give way to those of the partition urgent
# (requeued, cancelled, warned). A requeued job waits for 6 s there; elsewhere it waits for 2 minutes.
# A machine's own munge and Slurm are left untouched.
set -euo pipefail

# Slurm's pmix plugin loads libpmix.so, which -dev brings. Tests reach the cluster through ssh as well.
readonly PACKAGES=(slurm-wlm munge libpmix-dev openssh-server)
if [[ -n ${SLURM_CLUSTER_PLAIN:-} ]]; then NODES=(node1 node2); else NODES=(gpu1 gpu2); fi
readonly START_LIMIT=120 STOP_LIMIT=15 # seconds
SELF=$(readlink -f "${BASH_SOURCE[0]}")

# shellcheck source=tests/system/slurm_daemons.sh
source "${SELF%/*}/slurm_daemons.sh"

# --- daemons

# Process 1 of a node. Bash waits, and so collects what jobs leave orphaned.
run_node() {
    local name=$1 own_tmp=$DIR/nodes/$1/tmp
    hostname "$name"
    mount --bind "$DIR/hosts" /etc/hosts
    if [[ $DIR == /tmp/* ]]; then # keep DIR itself in sight
        mkdir -p "$own_tmp/${DIR#/tmp/}"
        mount --bind "$DIR" "$own_tmp/${DIR#/tmp/}"
    fi
    mount --rbind "$own_tmp" /tmp
    mount -t tmpfs tmpfs /dev/shm # what killed ranks leave there goes with the node
    while # The place of slurmstepd is built in.
        slurmd -D -N "$name" -f "$DIR/slurm.conf" ${SLURM_CLUSTER_TREE:+-d "$SLURM_CLUSTER_TREE/bin/slurmstepd"} &
        wait $! || true
        [[ -e $DIR/nodes/$name/silent ]]
    do
        while [[ -e $DIR/nodes/$name/silent ]]; do sleep 0.2; done
    done
}

# launch_node NAME
launch_node() {
    launch "$1" unshare --mount --uts --pid --fork --mount-proc --kill-child bash "$SELF" node "$DIR" "$1"
}

# What an ordinary user cannot do to a node.
operate() {
    local request name
    while read -r request name <&3; do
        [[ " ${NODES[*]} " == *" $name "* ]] || continue
        case $request in
        silence) touch "$DIR/nodes/$name/silent" ;;&
        lose | silence) pkill -KILL -x slurmd -P "$(pgrep -P "$(running "$name")")" || true ;;
        down) scontrol update nodename="$name" state=down reason=test ;;
        return)
            rm -f "$DIR/nodes/$name/silent"
            running "$name" >/dev/null || launch_node "$name"
            scontrol update nodename="$name" state=resume || true # or it was not set to down
            ;;
        esac
    done 3<>"$DIR/run/operator"
}

all_run() {
    local name
    for name in ${SLURM_CLUSTER_ACCOUNTING:-munged} slurmctld "${NODES[@]}"; do
        [[ $name == /* ]] || running "$name" >/dev/null || return 1
    done
}

idle_nodes() {
    timeout 2 sinfo --noheader --Node --states=idle --format=%N 2>/dev/null | sort -u | wc -l || true
}

start_cluster() {
    local name
    ! running slurmctld >/dev/null || fail "a cluster already runs in $DIR; stop it first"
    is_ours || [[ -z $(ls -A "$DIR" 2>/dev/null) ]] || fail "$DIR is not empty and holds no test cluster"
    mkdir -p "$DIR" && touch "$DIR/.slurm-test-cluster"
    stop_cluster           # what a start that was killed may have left
    trap stop_cluster EXIT # also when interrupted
    mkdir -p "$DIR"/{run,state,dev,log}
    rm -f "$DIR"/log/*
    chown --reference="$DIR" "$DIR/log" # so that the owner can remove DIR after stop
    bash "${SELF%/*}/slurm_configuration.sh" "$DIR"
    [[ -n ${SLURM_CLUSTER_ACCOUNTING:-} ]] || launch_munged
    launch slurmctld slurmctld -D -f "$DIR/slurm.conf"
    for name in "${NODES[@]}"; do
        mkdir -p "$DIR/nodes/$name/spool"
        mkdir -m 1777 "$DIR/nodes/$name/tmp"
        launch_node "$name"
    done
    mkfifo -m 600 "$DIR/run/operator"
    chown --reference="$(dirname "$DIR")" "$DIR/run/operator"
    launch operator bash "$SELF" operate "$DIR"
    until [[ $(idle_nodes) == "${#NODES[@]}" ]]; do
        if ((SECONDS >= START_LIMIT)) || ! all_run; then
            tail -n 8 "$DIR"/log/* >&2
            fail "a daemon ended, or the nodes are not idle after $SECONDS seconds; see the ends of $DIR/log/* above"
        fi
        sleep 0.2
    done
    trap - EXIT
    echo "export SLURM_CONF=$DIR/slurm.conf"
}

# --- stop

no_jobs() { [[ -z $(timeout 5 squeue --noheader 2>/dev/null) ]]; }

# Killing process 1 ends every process of the node; unshare returns after the last.
stop_node() {
    local pid
    pid=$(running "$1") || return 0
    pkill -KILL -P "$pid" || kill -KILL "$pid" 2>/dev/null || true
    wait_until 5 gone "$1"
}

stop_cluster() {
    local name
    is_ours || return 0
    if running slurmctld >/dev/null; then
        timeout 5 squeue --noheader --format=%A 2>/dev/null | sort -u | timeout 5 xargs -r scancel 2>/dev/null || true
        wait_until "$STOP_LIMIT" no_jobs || true
    fi
    stop_daemon operator
    stop_daemon slurmctld
    for name in "$DIR"/nodes/*; do stop_node "${name##*/}"; done
    stop_daemon munged
    rm -rf "${DIR:?}"/{run,state,nodes,dev}
}

# --- command line

if ((EUID != 0)); then
    exec sudo --preserve-env=SLURM_CLUSTER_PORT,SLURM_CLUSTER_TREE,SLURM_CLUSTER_NAME,SLURM_CLUSTER_ACCOUNTING,SLURM_CLUSTER_REMEMBERS,SLURM_CLUSTER_PLAIN,SLURM_CLUSTER_PREEMPTS bash "$SELF" "$@"
fi
umask 022
if [[ ${1-} == install ]]; then
    install_packages
    exit
fi
[[ $# -ge 2 ]] || fail "usage: slurm_cluster.sh install | start DIR | stop DIR"
DIR=$(readlink -m "$2")
[[ $DIR =~ ^/[[:alnum:]_./-]{1,80}$ ]] || fail "$DIR: a path of at most 80 letters, digits and _ . / - is wanted"
export SLURM_CONF=$DIR/slurm.conf PATH=${SLURM_CLUSTER_TREE:+$SLURM_CLUSTER_TREE/bin:}$PATH
case $1 in
start) start_cluster ;;
stop) stop_cluster ;;
node) run_node "$3" ;;
operate) operate ;;
*) fail "unknown command $1; known are install, start and stop" ;;
esac
