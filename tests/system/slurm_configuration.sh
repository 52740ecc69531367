#!/usr/bin/env bash
# slurm_configuration.sh DIR: writes slurm.conf, gres.conf and the nodes' hosts
# file of slurm_cluster.sh into DIR. SLURM_CLUSTER_PORT, SLURM_CLUSTER_NAME, SLURM_CLUSTER_TREE,
# SLURM_CLUSTER_ACCOUNTING, SLURM_CLUSTER_PLAIN and SLURM_CLUSTER_PREEMPTS as described there.
set -euo pipefail

port_is_free() {
    ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The first of three neighbouring ports, below those the kernel gives to clients.
choose_ports() {
    local port
    for _ in {1..50}; do
        port=$((20000 + RANDOM % 4000 * 3))
        if port_is_free "$port" && port_is_free $((port + 1)) && port_is_free $((port + 2)); then
            echo "$port"
            return
        fi
    done
    echo "slurm_configuration.sh: found no three free ports in a row on 127.0.0.1" >&2
    exit 1
}

DIR=$1
port=${SLURM_CLUSTER_PORT:-$(choose_ports)}

# Slurm wants character devices, and asks nothing else of them.
for gpu in {0..3}; do ln -sf /dev/null "$DIR/dev/nvidia$gpu"; done
cat >"$DIR/gres.conf" <<END
AutoDetect=off
Name=gpu File=$DIR/dev/nvidia[0-3]
END

# A node looks up its own name to know where to listen.
{
    cat /etc/hosts
    printf '\n127.0.0.1 gpu1 gpu2 node1 node2\n'
} >"$DIR/hosts"

# What has ended is forgotten soon where slurmdbd knows it.
accounting="AccountingStorageType=accounting_storage/none
MinJobAge=3600"
munge=$DIR/run/munge.socket
if [ -n "${SLURM_CLUSTER_ACCOUNTING:-}" ]; then
    munge=$SLURM_CLUSTER_ACCOUNTING/run/munge.socket
    accounting="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$(cat "$SLURM_CLUSTER_ACCOUNTING/port")
AccountingStoragePass=$munge
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
MinJobAge=${SLURM_CLUSTER_REMEMBERS:-3600}"
fi

cat >"$DIR/slurm.conf" <<END
ClusterName=${SLURM_CLUSTER_NAME:-relion-dispatch-test}
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthInfo=socket=$munge${SLURM_CLUSTER_PREEMPTS:+,cred_expire=5}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/nodes/%n/spool
SlurmctldPidFile=$DIR/run/slurmctld.own.pid
SlurmdPidFile=$DIR/nodes/%n/slurmd.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/%n.log
MailProg=/bin/true

# Two cores pose as many; nothing is bound or measured.
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/none
$accounting
PropagateResourceLimits=NONE

SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
DefMemPerCPU=4000
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
SchedulerParameters=bf_interval=2
END
# Jobs of the first two are ended at once, and those of the other two are warned first.
preempting_partitions() {
    cat <<END
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
PartitionName=requeued Nodes=gpu[1-2] PreemptMode=REQUEUE
PartitionName=cancelled Nodes=gpu[1-2] PreemptMode=CANCEL
PartitionName=warned Nodes=gpu[1-2] PreemptMode=REQUEUE GraceTime=20
PartitionName=dismissed Nodes=gpu[1-2] PreemptMode=CANCEL GraceTime=20
PartitionName=DEFAULT PreemptMode=OFF
PartitionName=urgent Nodes=gpu[1-2] PriorityTier=10
END
}
node() { # NAME PORT WORDS…
    echo "NodeName=$1 NodeAddr=127.0.0.1 Port=$((port + $2)) ${*:3}"
}
{
    if [[ -n ${SLURM_CLUSTER_PLAIN:-} ]]; then
        memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024 / 2)) # MiB
        cores=$(nproc)
        ((cores >= 4)) || cores=4
        for number in 1 2; do node "node$number" "$number" CPUs="$cores" RealMemory="$memory"; done
        echo "PartitionName=batch Nodes=node[1-2] Default=YES MaxTime=2-00:00:00"
    else
        for number in 1 2; do
            node "gpu$number" "$number" Sockets=2 CoresPerSocket=16 RealMemory=250000 TmpDisk=10000 Gres=gpu:4
        done
        [[ -z ${SLURM_CLUSTER_PREEMPTS:-} ]] || preempting_partitions
        echo "PartitionName=gpu Nodes=gpu[1-2] Default=YES MaxTime=INFINITE"
        echo "PartitionName=cpu Nodes=gpu[1-2] MaxTime=INFINITE"
    fi
} >>"$DIR/slurm.conf"
if [[ -n ${SLURM_CLUSTER_TREE:-} ]]; then
    echo "PluginDir=$SLURM_CLUSTER_TREE/lib/slurm-wlm" >>"$DIR/slurm.conf"
    echo CgroupPlugin=disabled >"$DIR/cgroup.conf" # older ones do not look for any
fi
