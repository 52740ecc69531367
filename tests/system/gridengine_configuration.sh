#!/usr/bin/env bash
# gridengine_configuration.sh files DIR      writes what the daemons of gridengine_cluster.sh read
# gridengine_configuration.sh master DIR     tells the running master of the node, its queues and what jobs may ask for
#
# Queues gpu.q and cpu.q, a parallel environment `smp` (all slots of a job on one node), and what Debian's
# default lacks: `gpu`, which counts once for a job, `gpus` and `ram` (memory), which count for each slot. Jobs that
# may run again (`-r y`) are put back into the queue when their node is lost.
set -euo pipefail

readonly RESOURCES=/usr/share/gridengine/util/resources
DIR=$2
root=$DIR/root

port_is_free() {
    ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The first of two neighbouring ports, below those the kernel gives to clients.
choose_ports() {
    local port
    for _ in {1..50}; do
        port=$((12000 + RANDOM % 4000 * 2))
        if port_is_free "$port" && port_is_free $((port + 1)); then
            echo "$port"
            return
        fi
    done
    echo "gridengine_configuration.sh: found no two free ports in a row on 127.0.0.1" >&2
    exit 1
}

# All names of 127.0.0.1 are one for Grid Engine, whichever of them stands first in /etc/hosts.
names_of_this_machine() {
    { echo node1 localhost; getent hosts 127.0.0.1 | cut -d' ' -f2-; } | tr -s ' ' '\n' | grep -vx "$(uname -n)" |
        sort -u | paste -sd' '
}

write_files() {
    local common=$root/default/common spool=$root/default/spool port part
    port=$(choose_ports)
    cat >"$DIR/variables" <<END
export SGE_ROOT=$root SGE_CELL=default SGE_QMASTER_PORT=$port SGE_EXECD_PORT=$((port + 1))
END
    # shellcheck source=/dev/null
    . "$DIR/variables"
    { cat /etc/hosts; printf '\n127.0.0.1 node1\n'; } >"$DIR/hosts"
    mkdir -p "$common" "$spool"/{qmaster,execd}
    ln -s /var/lib/gridengine/{bin,lib,util,utilbin} "$root/"
    cat >"$common/bootstrap" <<END
admin_user              none
default_domain          none
ignore_fqdn             false
spooling_method         classic
spooling_lib            libspoolc
spooling_params         $common;$spool/qmaster
binary_path             /usr/sbin
qmaster_spool_dir       $spool/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
END
    uname -n >"$common/act_qmaster"
    echo "$(uname -n) $(names_of_this_machine)" >"$common/host_aliases"
    sed -E "s|^(execd_spool_dir) .*|\1 $spool/execd|; s|^(mailer) .*|\1 /bin/true|; s|flush_time=[0-9:]*|flush_time=00:00:01|
        s|^(load_report_time) .*|\1 00:00:02|; s|^(max_unheard) .*|\1 00:00:10|; s|^(reschedule_unknown) .*|\1 00:00:05|" \
        /usr/share/gridengine/default-configuration >"$DIR/global"
    /usr/lib/gridengine/spoolinit classic libspoolc "$common;$spool/qmaster" init
    /usr/lib/gridengine/spooldefaults configuration "$DIR/global"
    for part in complexes:centry usersets:usersets; do
        /usr/lib/gridengine/spooldefaults "${part%:*}" "$RESOURCES/${part#*:}"
    done
    /usr/lib/gridengine/spooldefaults managers root
    rm "$DIR/global"
}

# An editor for those of qconf's requests that take no file: EDITOR="… edit FILE SED-SCRIPT".
changed() { # SED-SCRIPT QCONF-OPTIONS…
    local script=$1
    shift
    # shellcheck disable=SC2016 # expanded by the editor's shell
    printf '#!/bin/sh\nexec sed -i -E "%s" "$1"\n' "$script" >"$DIR/run/editor"
    chmod 755 "$DIR/run/editor"
    EDITOR=$DIR/run/editor qconf "$@"
}

configure_master() {
    local host queue plain=${GRIDENGINE_CLUSTER_PLAIN-} slots=32 values=slots=32,gpu=4,gpus=32,ram=250G queues=(gpu.q cpu.q)
    if [[ -n $plain ]]; then
        slots=$(nproc) queues=(all.q)
        ((slots >= 4)) || slots=4
        values=slots=$slots,ram=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))M
    fi
    host=$(uname -n)
    # shellcheck source=/dev/null
    . "$DIR/variables"
    until qconf -sh >/dev/null 2>&1; do
        ((SECONDS < 30)) || exit 1
        sleep 0.2
    done
    qconf -as "$host"
    changed 's|^(schedule_interval) .*|\1 0:0:1|; s|^(flush_submit_sec) .*|\1 1|; s|^(flush_finish_sec) .*|\1 1|' -msconf
    cat >"$DIR/run/pe" <<END
pe_name            smp
slots              999
user_lists         NONE
xuser_lists        NONE
start_proc_args    NONE
stop_proc_args     NONE
allocation_rule    \$pe_slots
control_slaves     FALSE
job_is_first_task  TRUE
urgency_slots      min
accounting_summary FALSE
qsort_args         NONE
END
    qconf -Ap "$DIR/run/pe"
    {
        qconf -sc
        [[ -n $plain ]] || echo "gpu gpu INT <= YES JOB 0 0"
        [[ -n $plain ]] || echo "gpus gpus INT <= YES YES 0 0"
        echo "ram ram MEMORY <= YES YES 0 0"
    } >"$DIR/run/complexes"
    qconf -Mc "$DIR/run/complexes"
    changed "s|^(hostname) .*|\1 $host|; s|^(complex_values) .*|\1 $values|" -ae
    for queue in "${queues[@]}"; do
        changed "s|^(qname) .*|\1 $queue|; s|^(hostlist) .*|\1 $host|; s|^(pe_list) .*|\1 smp|; s|^(slots) .*|\1 $slots|
            s|^(load_thresholds) .*|\1 NONE|; s|^(notify) .*|\1 00:00:05|" -aq
    done
}

case $1 in
files) write_files ;;
master) configure_master ;;
esac
