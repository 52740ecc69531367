#!/usr/bin/env bash
# Slurm's accounting for the system tests: munged, MariaDB and slurmdbd, on 127.0.0.1, for the clusters
# that slurm_cluster.sh starts with SLURM_CLUSTER_ACCOUNTING=DIR.
#
#   slurm_accounting.sh install               packages, without starting their services
#   slurm_accounting.sh start DIR CLUSTER...  returns when slurmdbd answers; it knows these clusters then,
#                                             and the owner of the folder above DIR as an admin of them
#   slurm_accounting.sh stop DIR              ends what start began; DIR/log stays to be read
#
# Root runs the daemons (sudo is used if needed), with DIR as the folder of everything: a machine's own
# MariaDB and Slurm are left untouched.
set -euo pipefail

readonly PACKAGES=(slurmdbd mariadb-server)
readonly START_LIMIT=120 # seconds
SELF=$(readlink -f "${BASH_SOURCE[0]}")

# shellcheck source=tests/system/slurm_daemons.sh
source "${SELF%/*}/slurm_daemons.sh"

# A port below those the kernel gives to clients.
free_port() {
    local port
    for _ in {1..50}; do
        port=$((13000 + RANDOM % 6000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
    done
    fail "found no free port on 127.0.0.1"
}

configure() {
    cat >"$DIR/slurmdbd.conf" <<END
AuthInfo=socket=$DIR/run/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$1
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=accounting
LogFile=$DIR/log/slurmdbd.log
PidFile=$DIR/run/slurmdbd.own.pid
END
    chmod 600 "$DIR/slurmdbd.conf"
    # Clients of slurmdbd alone: a cluster has a slurm.conf of its own.
    cat >"$DIR/slurm.conf" <<END
ClusterName=none
SlurmctldHost=localhost
AuthInfo=socket=$DIR/run/munge.socket
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$1
AccountingStoragePass=$DIR/run/munge.socket
NodeName=none
END
    echo "$1" >"$DIR/port"
}

wait_for() { # WHAT COMMAND...
    local what=$1
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= START_LIMIT)); then
            tail -n 8 "$DIR"/log/* >&2
            fail "$what does not answer after $SECONDS seconds; see the ends of $DIR/log/* above"
        fi
        sleep 0.1
    done
}

start_accounting() {
    local cluster user
    ! running slurmdbd >/dev/null || fail "accounting already runs in $DIR; stop it first"
    is_ours || [[ -z $(ls -A "$DIR" 2>/dev/null) ]] || fail "$DIR is not empty and holds no test cluster"
    mkdir -p "$DIR" && touch "$DIR/.slurm-test-cluster"
    stop_accounting
    trap stop_accounting EXIT
    mkdir -p "$DIR"/{run,log}
    rm -f "$DIR"/log/*
    configure "$(free_port)"
    launch_munged
    mariadb-install-db --no-defaults --user=root --datadir="$DIR/database" --skip-test-db \
        --auth-root-authentication-method=normal >"$DIR/log/install.out" 2>&1
    launch mariadbd mariadbd --no-defaults --user=root --datadir="$DIR/database" --skip-networking \
        --socket="$DIR/database/socket" --innodb-flush-log-at-trx-commit=0
    wait_for MariaDB test -S "$DIR/database/socket" # root alone may enter that folder
    # Its library asks for the socket here; there is no key for its place in slurmdbd.conf.
    export MYSQL_UNIX_PORT=$DIR/database/socket SLURM_CONF=$DIR/slurm.conf
    launch slurmdbd slurmdbd -D
    for cluster in "$@"; do
        wait_for slurmdbd knows "$cluster"
    done
    user=$(stat -c %U "${DIR%/*}")
    [[ $user == root ]] || sacctmgr -iQ add user "$user" account=root adminlevel=admin >"$DIR/log/sacctmgr.out" 2>&1 ||
        fail "sacctmgr did not add the user; see $DIR/log/sacctmgr.out"
    trap - EXIT
}

# Whether slurmdbd knows a cluster, which is told to it otherwise.
knows() {
    [[ $(timeout 5 sacctmgr -nP show cluster "$1" format=cluster) == "$1" ]] ||
        timeout 10 sacctmgr -iQ add cluster "$1"
}

stop_accounting() {
    is_ours || return 0
    stop_daemon slurmdbd
    stop_daemon mariadbd
    stop_daemon munged
    rm -rf "${DIR:?}"/{run,database}
}

if ((EUID != 0)); then
    exec sudo bash "$SELF" "$@"
fi
umask 022
if [[ ${1-} == install ]]; then
    install_packages
    exit
fi
[[ $# -ge 2 ]] || fail "usage: slurm_accounting.sh install | start DIR CLUSTER... | stop DIR"
DIR=$(readlink -m "$2")
[[ $DIR =~ ^/[[:alnum:]_./-]{1,80}$ ]] || fail "$DIR: a path of at most 80 letters, digits and _ . / - is wanted"
case $1 in
start) start_accounting "${@:3}" ;;
stop) stop_accounting ;;
*) fail "unknown command $1; known are install, start and stop" ;;
esac
