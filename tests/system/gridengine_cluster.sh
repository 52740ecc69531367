#!/usr/bin/env bash
# A throw-away Grid Engine for the system tests: Debian's real daemons (8.1.9), one node `node1` with 32 slots
# and four pretend GPUs, all on 127.0.0.1 of one Debian machine.
#
#   gridengine_cluster.sh install      packages, without starting their services
#   gridengine_cluster.sh start DIR    prints "export SGE_ROOT=DIR/root …", which the commands need
#   gridengine_cluster.sh stop DIR     ends what start began; DIR/log stays to be read
#
# While it runs, the owner of the folder above DIR may write lines to DIR/run/operator:
#   lose node1      kills the node's daemon, and with it all processes of the node, as a power cut does
#   silence node1   kills the node's daemon alone, and the node's jobs live on
#   return node1    starts the node again, or its daemon
#
# GRIDENGINE_CLUSTER_PLAIN=yes: the node has this machine's cores (four at least) and memory, one queue
# (all.q), and no GPUs.
#
# Root runs the daemons (sudo is used if needed); any user who can reach DIR may submit. The node has namespaces of
# its own: host name, processes, and /tmp. Job scripts, their output and project folders must therefore lie
# elsewhere, as below the user's home. A Grid Engine of the machine's own is left untouched.
set -euo pipefail

readonly PACKAGES=(gridengine-master gridengine-exec gridengine-client)
readonly NODE=node1 START_LIMIT=120 STOP_LIMIT=10 # seconds
SELF=$(readlink -f "${BASH_SOURCE[0]}")

fail() {
    printf 'gridengine_cluster.sh: %s\n' "$*" >&2
    exit 1
}

# --- install

# The packages ask for the master's host, and start it; this cluster has a root folder of its own.
install_packages() {
    local package kind missing=() policy=/usr/sbin/policy-rc.d
    for package in "${PACKAGES[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    for kind in master client exec; do
        printf 'gridengine-%s shared/%s\n' "$kind" "gridenginemaster string localhost" \
            "$kind" "gridenginecell string default" "$kind" "gridengineconfig boolean false"
    done | debconf-set-selections
    if [[ ! -e $policy ]]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" # 101: start no service
        chmod 755 "$policy"
    fi
    apt_install "${missing[@]}" || { # no package lists yet, or old ones
        apt-get -qq update >&2
        apt_install "${missing[@]}"
    }
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq --no-install-recommends install -y "$@" >&2
}

# --- daemons

# launch NAME COMMAND...: in the background; the pid is on file before the command runs.
launch() {
    local name=$1
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    setsid bash -c 'cd / && echo $$ >"$0" && exec "$@"' "$DIR/run/$name.pid" "$@" </dev/null >>"$DIR/log/$name.out" 2>&1 &
    until [[ -s $DIR/run/$name.pid ]]; do sleep 0.01; done
}

# The pid that launch recorded, if that process is still one of this cluster.
running() {
    local pid
    pid=$(cat "$DIR/run/$1.pid" 2>/dev/null) || return 1
    tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qx "SGE_ROOT=$SGE_ROOT" && echo "$pid"
}

# Process 1 of the node. Bash waits, and so collects what jobs leave orphaned.
run_node() {
    local own_tmp=$DIR/node/tmp
    hostname "$NODE"
    mount --bind "$DIR/hosts" /etc/hosts
    if [[ $DIR == /tmp/* ]]; then # keep DIR itself in sight
        mkdir -p "$own_tmp/${DIR#/tmp/}"
        mount --bind "$DIR" "$own_tmp/${DIR#/tmp/}"
    fi
    mount --rbind "$own_tmp" /tmp
    while
        env -u OF_A_TEST_CLUSTER SGE_ND=true sge_execd & # in the foreground
        wait $! || true
        [[ -e $DIR/node/silent ]]
    do
        while [[ -e $DIR/node/silent ]]; do sleep 0.2; done
    done
}

launch_node() {
    launch "$NODE" unshare --mount --uts --pid --fork --mount-proc --kill-child bash "$SELF" node "$DIR"
}

# What an ordinary user cannot do to a node.
operate() {
    local request name
    while read -r request name <&3; do
        [[ $name == "$NODE" ]] || continue
        case $request in
        lose) kill_node ;;
        silence) silence_node ;;
        return)
            rm -f "$DIR/node/silent"
            running "$NODE" >/dev/null || launch_node
            ;;
        esac
    done 3<>"$DIR/run/operator"
}

# Only such a folder is ever emptied.
is_ours() { [[ -e $DIR/.gridengine-test-cluster ]]; }

all_run() {
    running qmaster >/dev/null && running "$NODE" >/dev/null
}

# The node's queues take jobs once its daemon has reported a load.
takes_jobs() {
    timeout 5 qstat -f -q "$QUEUE" 2>/dev/null | awk -v queue="$QUEUE@" '
        index($1, queue) == 1 { found = 1; if ($4 == "-NA-" || $6 != "") found = 0 } END { exit !found }'
}

start_cluster() {
    ! running qmaster >/dev/null || fail "a cluster already runs in $DIR; stop it first"
    is_ours || [[ -z $(ls -A "$DIR" 2>/dev/null) ]] || fail "$DIR is not empty and holds no test cluster"
    mkdir -p "$DIR" && touch "$DIR/.gridengine-test-cluster"
    stop_cluster           # what a start that was killed may have left
    trap stop_cluster EXIT # also when interrupted
    mkdir -p "$DIR"/{run,log,node,root}
    mkdir -m 1777 "$DIR/node/tmp"
    rm -f "$DIR"/log/*
    chown --reference="$DIR" "$DIR/log" # so that the owner can remove DIR after stop
    bash "${SELF%/*}/gridengine_configuration.sh" files "$DIR"
    eval "$(cat "$DIR/variables")"
    launch qmaster env SGE_ND=true sge_qmaster
    bash "${SELF%/*}/gridengine_configuration.sh" master "$DIR" >"$DIR/log/configuration.out" 2>&1 || {
        tail -n 20 "$DIR"/log/* >&2
        fail "the master did not take its configuration; see the ends of $DIR/log/* above"
    }
    launch_node
    mkfifo -m 600 "$DIR/run/operator"
    chown --reference="$(dirname "$DIR")" "$DIR/run/operator"
    launch operator bash "$SELF" operate "$DIR"
    until takes_jobs; do
        if ((SECONDS >= START_LIMIT)) || ! all_run; then
            tail -n 8 "$DIR"/log/* "$DIR"/root/default/spool/qmaster/messages >&2
            fail "a daemon ended, or the node takes no jobs after $SECONDS seconds; see the ends of $DIR/log/* above"
        fi
        sleep 0.2
    done
    trap - EXIT
    cat "$DIR/variables"
}

# --- stop

# wait_until SECONDS COMMAND...
wait_until() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < limit)) || return 1
        sleep 0.1
    done
}

gone() { ! running "$1" >/dev/null; }
no_jobs() { [[ -z $(timeout 5 qstat -u '*' 2>/dev/null) ]]; }

stop_daemon() {
    local pid
    pid=$(running "$1") || return 0
    kill -TERM "$pid" 2>/dev/null || true
    wait_until 5 gone "$1" || kill -KILL "$pid" 2>/dev/null || true
}

# Killing process 1 ends every process of the node; unshare returns after the last.
kill_node() {
    local pid
    pid=$(running "$NODE") || return 0
    pkill -KILL -P "$pid" || kill -KILL "$pid" 2>/dev/null || true
    wait_until 5 gone "$NODE"
}

silence_node() {
    touch "$DIR/node/silent"
    pkill -KILL -x sge_execd -P "$(pgrep -P "$(running "$NODE")")" || true
}

stop_cluster() {
    is_ours || return 0
    [[ ! -e $DIR/variables ]] || eval "$(cat "$DIR/variables")"
    if running qmaster >/dev/null; then
        timeout 10 qdel -f -u '*' >/dev/null 2>&1 || true
        wait_until "$STOP_LIMIT" no_jobs || true
    fi
    stop_daemon operator
    stop_daemon qmaster
    kill_node
    rm -rf "${DIR:?}"/{run,root,node,variables,hosts}
}

# --- command line

if ((EUID != 0)); then
    exec sudo --preserve-env=GRIDENGINE_CLUSTER_PLAIN bash "$SELF" "$@"
fi
umask 022
if [[ ${1-} == install ]]; then
    install_packages
    exit
fi
# Jobs get the environment of the node's daemon.
[[ -n ${OF_A_TEST_CLUSTER-} ]] || exec env -i OF_A_TEST_CLUSTER=yes GRIDENGINE_CLUSTER_PLAIN="${GRIDENGINE_CLUSTER_PLAIN-}" \
    PATH="/usr/sbin:$PATH" LANG=C.UTF-8 bash "$SELF" "$@"
[[ $# -ge 2 ]] || fail "usage: gridengine_cluster.sh install | start DIR | stop DIR"
DIR=$(readlink -m "$2")
[[ $DIR =~ ^/[[:alnum:]_./-]{1,80}$ ]] || fail "$DIR: a path of at most 80 letters, digits and _ . / - is wanted"
export SGE_ROOT=$DIR/root
if [[ -n ${GRIDENGINE_CLUSTER_PLAIN-} ]]; then QUEUE=all.q; else QUEUE=gpu.q; fi
case $1 in
start) start_cluster ;;
stop) stop_cluster ;;
node) run_node ;;
operate) operate ;;
*) fail "unknown command $1; known are install, start and stop" ;;
esac
