# ruff: noqa: E501  (commands print long lines)
"""What the commands of large clusters print, by the formats of their releases.

Slurm and Grid Engine print so on the test clusters (tests/system); PBS and LSF by their manuals.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["EACH", "GRID_ENGINE", "LSF", "PBS", "SLURM", "answers", "ge_described", "ge_host",
           "ge_queue", "slurm_node", "slurm_partition"]  # fmt: skip


def answers(texts: Mapping[str, str]) -> Callable[[Sequence[str]], str | None]:
    """Commands that print these texts, by their words; any other command fails."""
    return lambda argv: texts.get(" ".join(argv))


# Slurm: 1200 nodes without GPUs, and GPUs of several kinds; c0007 is of another age, c0009 is gone.


def slurm_node(name: str, partitions: str, **changed: str) -> str:
    values = {
        "CPUTot": "64",
        "ActiveFeatures": "(null)",
        "Gres": "(null)",
        "RealMemory": "257000",
        "State": "IDLE",
        "ThreadsPerCore": "1",
        **changed,
    }
    words = " ".join(f"{key}={value}" for key, value in values.items())
    return (
        f"NodeName={name} Arch=x86_64 CoresPerSocket=32  CPUAlloc=0 {words} OS=Linux 6.1.0 #1 SMP "
        f"Partitions={partitions}  Reason=Not responding [root@2026-11-01T00:00:00]"
    )


def slurm_partition(name: str, **changed: str) -> str:
    values = {
        "AllowGroups": "ALL",
        "AllowAccounts": "ALL",
        "AllowQos": "ALL",
        "Default": "NO",
        "Hidden": "NO",
        "MaxTime": "UNLIMITED",
        "MinNodes": "0",
        "MaxCPUsPerNode": "UNLIMITED",
        "RootOnly": "NO",
        "ReqResv": "NO",
        "OverSubscribe": "NO",
        "PreemptMode": "OFF",
        "State": "UP",
        "MaxMemPerNode": "UNLIMITED",
        **changed,
    }
    return f"PartitionName={name} " + " ".join(f"{key}={value}" for key, value in values.items())


_MIXED = {"CPUTot": "128", "RealMemory": "1031000", "MemSpecLimit": "8000"}
SLURM = {
    "scontrol --all --oneliner show partition": "\n".join(
        [
            slurm_partition("batch", Default="YES", MaxTime="7-00:00:00", DenyAccounts="guests"),
            slurm_partition("gpu", MaxTime="2-00:00:00"),
            slurm_partition("gpu-a100", MaxTime="14-00:00:00", AllowGroups="cryoem,xray"),
            slurm_partition("old.gpu", MaxCPUsPerNode="20", MaxMemPerNode="100000"),
            slurm_partition("debug", MaxTime="30:00"),
            slurm_partition("paid", AllowAccounts="smith,jones"),
            slurm_partition("mine", AllowAccounts="lab", AllowQos="long"),
            slurm_partition("mig", PreemptMode="REQUEUE"),
            slurm_partition("amd", ReqResv="YES"),
            slurm_partition("hidden", Hidden="YES"),
            slurm_partition("closed", State="INACTIVE"),
            slurm_partition("admin", RootOnly="YES"),
            slurm_partition("empty"),
        ]
    ),
    "scontrol --all --oneliner show node": "\n".join(
        [
            *(
                slurm_node(f"c{number:04}", "batch,hidden", ThreadsPerCore="2")
                for number in range(1, 1201)
                if number not in (7, 9)
            ),
            slurm_node("c0007", "batch", CPUTot="48", RealMemory="128000", State="MIXED+PLANNED"),
            slurm_node("c0009", "batch", CPUTot="2", RealMemory="1000", State="DOWN*+DRAIN"),
            *(slurm_node(f"a{n}", "gpu,gpu-a100,debug,paid,mine", Gres="gpu:nvidia_a100-sxm4-80gb:"
                          "4(S:0-1),shard:8", **_MIXED) for n in range(9)),
            *(slurm_node(f"r{n}", "gpu", Gres="gpu:rtx2080ti:8(S:0,1)") for n in range(4)),
            slurm_node("r5", "gpu", Gres="gpu:rtx2080ti:6", State="IDLE+CLOUD+POWERED_DOWN"),
            slurm_node("k1", "old.gpu", Gres="gpu:2", ActiveFeatures="haswell,p100"),
            slurm_node("k2", "old.gpu", Gres="gpu:4", ActiveFeatures="skylake,v100,ib"),
            slurm_node("m1", "mig", Gres="gpu:1g.10gb:7,gpu:3g.40gb:2"),
            slurm_node("x1", "amd", Gres="gpu:mi250x:8"),
            slurm_node("z-1.site", "closed", Gres="gpu:unheard_of:4"),
        ]
    ),
    "scontrol show config": (
        "Configuration data as of 2026-11-28T12:00:00\n"
        "AccountingStorageEnforce = associations,limits,qos\n"
        "AccountingStorageType   = accounting_storage/slurmdbd\n"
        "MinJobAge               = 300 sec\n"
        "SelectTypeParameters    = CR_CORE\n"
        "SLURM_VERSION           = 24.05.4\n"
    ),
    "srun --mpi=list": "MPI plugin types are...\n\tnone\n\tcray_shasta\n\tpmi2\n",
}  # fmt: skip


# Grid Engine: names of the site's own, a queue for a group, one that is disabled.


def ge_queue(name: str, **changed: str) -> str:
    values = {
        "seq_no": "0",
        "qtype": "BATCH INTERACTIVE",
        "pe_list": "make mpi openmp",
        "user_lists": "NONE",
        "complex_values": "NONE",
        "projects": "NONE",
        "h_rt": "INFINITY",
        **changed,
    }
    lines = [f"{key:<21} {value}" for key, value in {"qname": name, **values}.items()]
    return "\n".join([*lines, "h_vmem                INFINITY"])


def ge_host(name: str, queues: Mapping[str, tuple[int, str]]) -> str:
    of_queues = "".join(
        f" <queue name='{queue}'>\n"
        f"   <queuevalue qname='{queue}' name='qtype_string'>BIP</queuevalue>\n"
        f"   <queuevalue qname='{queue}' name='slots'>{slots}</queuevalue>\n"
        f"   <queuevalue qname='{queue}' name='state_string'>{state}</queuevalue>\n"
        " </queue>\n"
        for queue, (slots, state) in queues.items()
    )
    number = "-" if name == "global" else "64"
    return f" <host name='{name}'>\n   <hostvalue name='num_proc'>{number}</hostvalue>\n{of_queues} </host>\n"


def ge_described(name: str, offers: str, memory: str) -> str:
    return (
        f"hostname              {name}\nload_scaling          NONE\n"
        f"complex_values        {offers}\n"
        "load_values           load_avg=10.9,arch=lx-amd64, \\\n"
        f"                      num_proc=64,mem_total={memory}, \\\n"
        "                      swap_total=0.000000M\nprocessors            64\n"
    )


_GE_HOSTS = {
    "global": {},
    "big1": {"gpu.q": (64, ""), "em.q": (32, "")},
    "big2": {"gpu.q": (64, "")},
    "old1": {"gpu.q": (16, ""), "all.q": (16, "")},
    "node1": {"all.q": (64, ""), "short.q": (64, "d"), "inter.q": (1, "")},
}
EACH = 'sh -c option=$1; shift; for each; do qconf "$option" "$each"; done sh'
GRID_ENGINE = {
    "qhost -q -xml": "<?xml version='1.0'?>\n<qhost xmlns:xsd=\"x\">\n"
    + "".join(ge_host(name, queues) for name, queues in _GE_HOSTS.items())
    + "</qhost>\n",
    "qconf -sq *": "\n\n".join(
        [
            ge_queue("gpu.q", h_rt="48:00:00,[big2=24:00:00]"),
            ge_queue("em.q", user_lists="em", projects="cryo"),
            ge_queue("all.q", pe_list="make openmp,[old1=mpi]"),
            ge_queue("short.q"),
            ge_queue("inter.q", qtype="INTERACTIVE", pe_list="NONE"),
        ]
    ),
    f"{EACH} -se big1 big2 old1 node1": "".join(
        [
            ge_described("big1", "slots=64,gpu_card=8(0 1 2 3 4 5 6 7),gpu_type=a40,rmem=1000G", "1031000M"),
            ge_described("big2", "slots=64,gpu_card=8(0-7),gpu_type=a40,rmem=1000G", "1031000M"),
            ge_described("old1", "slots=16,gpu_card=2(0 1),gpu_type=p100,rmem=120G", "128000M"),
            ge_described("node1", "rmem=250G", "257000M"),
        ]
    ),
    "qconf -sc": (
        "#name               shortcut   type      relop requestable consumable default  urgency \n"
        "#----------------------------------------------------------------------\n"
        "gpu_card            gc         RSMAP     <=    YES         YES        0        0\n"
        "gpu_type            gt         STRING    ==    YES         NO         NONE     0\n"
        "h_vmem              h_vmem     MEMORY    <=    YES         YES        4G       0\n"
        "mem_free            mf         MEMORY    <=    YES         NO         0        0\n"
        "rmem                rmem       MEMORY    <=    FORCED      YES        2G       0\n"
        "slots               s          INT       <=    YES         YES        1        1000\n"
        "# >#< starts a comment but comments are not saved across edits --------\n"
    ),
    "qconf -spl": "make\nmpi\nopenmp\n",
    f"{EACH} -sp make mpi openmp": (
        "pe_name            make\nallocation_rule    $round_robin\n"
        "pe_name            mpi\nallocation_rule    $fill_up\n"
        "pe_name            openmp\nallocation_rule    $pe_slots\n"
    ),
    f"{EACH} -su em": "name    em\ntype    ACL\nentries ada,eve,@cryoem\n",
    "qconf -help": "SGE 8.1.9\nusage: qconf [options]\n",
}  # fmt: skip


# PBS: queues with nodes by Qlist, a route, a host of two vnodes.


def _vnode(host: str, state: str = "free", **offers: Any) -> dict[str, Any]:
    of_all = {"arch": "linux", "host": host, "ncpus": 64, "mem": "263974212kb", "vnode": host}
    return {"Mom": f"{host}.site", "state": state, "resources_available": {**of_all, **offers}}


def _pbs_queue(**changed: Any) -> dict[str, Any]:
    return {"queue_type": "Execution", "enabled": "True", "started": "True", **changed}


_PBS_NODES = {
    **{f"n{n}": _vnode(f"n{n}", Qlist="work,short") for n in range(300)},
    "n7": _vnode("n7", mem="131072mb", Qlist="work,short"),
    "n9": _vnode("n9", "state-unknown,down", ncpus=0, mem="0kb", Qlist="work"),
    "g1": _vnode("g1", ngpus=4, accelerator_model="a100_80gb", Qlist="gpu", mem="1000gb"),
    "g2": _vnode("g2", "job-busy", ngpus="8", accelerator_model="v100", Qlist="gpu"),
    "uv[0]": _vnode("uv", ncpus=32, ngpus=2, mem="100gb", Qlist="gpu", accelerator_model="v100"),
    "uv[1]": _vnode("uv", ncpus=32, ngpus=2, mem="100gb", Qlist="gpu", accelerator_model="v100"),
}
PBS = {
    "pbsnodes -a -v -F json": json.dumps({"pbs_version": "23.06.06", "nodes": _PBS_NODES}),
    "qstat -Q -f -F json": json.dumps(
        {
            "pbs_version": "23.06.06",
            "Queue": {
                "work": _pbs_queue(default_chunk={"Qlist": "work"},
                                   resources_max={"walltime": "168:00:00"}),
                "short": _pbs_queue(default_chunk={"Qlist": "short"},
                                    resources_max={"walltime": "00:20:00", "ncpus": 16}),
                "gpu": _pbs_queue(default_chunk={"Qlist": "gpu", "ncpus": 1},
                                  resources_max={"walltime": "48:00:00"}),
                "gpu_em": _pbs_queue(default_chunk={"Qlist": "gpu"}, acl_group_enable="True",
                                     acl_groups="cryoem", acl_user_enable="False", acl_users="ada"),
                "entry": _pbs_queue(queue_type="Route", route_destinations="work,short"),
                "inner": _pbs_queue(default_chunk={"Qlist": "gpu"}, from_route_only="True"),
                "R4711": _pbs_queue(acl_user_enable="True", acl_users="ada@*"),  # of a reservation
                "off": _pbs_queue(default_chunk={"Qlist": "gpu"}, started="False"),
            },
        }
    ),
    "qstat -B -f -F json": json.dumps(
        {"Server": {"pbs01": {"default_queue": "entry", "pbs_version": "23.06.06"}}}
    ),
}  # fmt: skip


# LSF: host groups, a queue of some users, a host that does not answer.


def _lsf_queue(name: str, hosts: str, users: str = "all", limits: str = "", says: str = "") -> str:
    return (
        f"QUEUE: {name}\n  -- Jobs of {name}.{says}\n\nPARAMETERS/STATISTICS\n"
        "PRIO NICE STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN SSUSP USUSP  RSV PJOBS\n"
        f" 30    0  {'Closed:Active' if name == 'old' else 'Open:Active  '}    -    -    -    -     0"
        "     0     0     0     0    0    0\nInterval for a host to accept two jobs is 0 seconds\n\n"
        f"{limits}\nSCHEDULING PARAMETERS\n           r15s   r1m  r15m   ut\n loadSched   -     -     -     -\n\n"
        f"USERS: {users}\nHOSTS:  {hosts}\n\n"
    )


_LIMITS = "DEFAULT LIMITS:\n RUNLIMIT\n 60.0 min\n\nMAXIMUM LIMITS:\n RUNLIMIT\n 2880.0 min of n1\n"
LSF = {
    "bqueues -l": "".join(
        [
            _lsf_queue("normal", "all ~gpus/", says="  This is the default queue."),
            _lsf_queue("gpu", "gpus/ ", limits=_LIMITS),
            _lsf_queue("lab", "g1+2", users="lab_users/ ada"),
            _lsf_queue("old", "all"),
        ]
    ),
    "lshosts -w": (
        "HOST_NAME                       type       model  cpuf ncpus maxmem maxswp server RESOURCES\n"
        "master                        X86_64    Intel_E5  60.0     8  31.2G     4G    Yes (mg)\n"
        "n1                            X86_64    Intel_E5  60.0    64 503.5G     4G    Yes (linux)\n"
        "n2                            X86_64    Intel_E5  60.0    32 251.5G     4G    Yes (linux)\n"
        "n3                            UNKNOWN   UNKNOWN_   1.0     -      -      -    Yes ()\n"
        "g1                            X86_64    Intel_E5  60.0    96     1T     4G    Yes (gpu)\n"
        "g2                            X86_64    Intel_E5  60.0    48 376.2G     4G    Yes (gpu)\n"
    ),
    "bhosts -w": (
        "HOST_NAME          STATUS          JL/U    MAX  NJOBS    RUN  SSUSP  USUSP    RSV \n"
        "n1                 ok              -     64      0      0      0      0      0\n"
        "n2                 closed_Full     -     32     32     32      0      0      0\n"
        "n3                 unavail         -      1      0      0      0      0      0\n"
        "g1                 ok              -     96      0      0      0      0      0\n"
        "g2                 ok              -     48      0      0      0      0      0\n"
    ),
    "lshosts -gpu -w": (
        "HOST_NAME   gpu_id       gpu_model   gpu_driver   gpu_factor      numa_id       vendor  mig\n"
        "g1               0 NVIDIAA100_SXM4_80GB   535.104.05          8.0            0       Nvidia  N\n"
        "                 1 NVIDIAA100_SXM4_80GB   535.104.05          8.0            0       Nvidia  N\n"
        "g2               0 TeslaV100_SXM2_32GB   535.104.05          7.0            0       Nvidia  N\n"
        "                 1 TeslaV100_SXM2_32GB   535.104.05          7.0            0       Nvidia  N\n"
        "                 2 TeslaV100_SXM2_32GB   535.104.05          7.0            1       Nvidia  N\n"
    ),
    "bmgroup -r -w": "GROUP_NAME    HOSTS                     \ngpus          g1 g2 \n",
    "badmin showconf mbd": "MBD configuration\n  LSF_UNIT_FOR_LIMITS = GB\n",
    "lsid": "IBM Spectrum LSF 10.1.0.13, Apr 15 2022\nMy cluster name is lsf1\n",
}
