# shellcheck shell=bash disable=SC2154 # who sources this file sets PACKAGES, START_LIMIT and DIR
# What slurm_cluster.sh and slurm_accounting.sh share: packages, and daemons that leave their pid in DIR/run.

fail() {
    printf '%s: %s\n' "${SELF##*/}" "$*" >&2
    exit 1
}

# --- install

missing_packages() {
    local package
    for package in "${PACKAGES[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
    done
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq --no-install-recommends install -y "$@" >&2
}

install_packages() {
    local missing policy=/usr/sbin/policy-rc.d
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
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

# --- daemons

# launch NAME COMMAND...: in the background; the pid is on file before the command runs. From /, for a
# node has another /tmp, and slurmstepd tells jobs' run.err when it has lost its working folder.
launch() {
    local name=$1
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    setsid bash -c 'cd / && echo $$ >"$0" && exec "$@"' "$DIR/run/$name.pid" "$@" </dev/null >>"$DIR/log/$name.out" 2>&1 &
    until [[ -s $DIR/run/$name.pid ]]; do sleep 0.01; done
}

# The pid that launch recorded, if that process is still the one launched: DIR is among its arguments, or in
# its environment.
running() {
    local pid words
    pid=$(cat "$DIR/run/$1.pid" 2>/dev/null) || return 1
    words=$(cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2>/dev/null | tr '\0' ' ')
    [[ " $words" == *[=\ ]"$DIR"[/\ ]* ]] && echo "$pid"
}

launch_munged() {
    (umask 077 && head -c 1024 /dev/urandom >"$DIR/run/munge.key")
    launch munged munged --foreground --force --num-threads=2 --key-file "$DIR/run/munge.key" \
        --socket "$DIR/run/munge.socket" --pid-file "$DIR/run/munged.own.pid" --seed-file "$DIR/run/munge.seed"
    until [[ -S $DIR/run/munge.socket ]] || ((SECONDS >= START_LIMIT)); do sleep 0.05; done
}

# Only such a folder is ever emptied.
is_ours() { [[ -e $DIR/.slurm-test-cluster ]]; }

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

stop_daemon() {
    local pid
    pid=$(running "$1") || return 0
    kill -TERM "$pid" 2>/dev/null || true
    wait_until 5 gone "$1" || kill -KILL "$pid" 2>/dev/null || true
}
