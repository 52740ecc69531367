"""A Slurm controller that poses as a large cluster: real slurmctld and munged, and no node.

Its nodes are in the cloud and powered down, which is all that `site init` asks for. It runs as
whoever runs the tests. (Debian's slurm-wlm-emulator cannot pose so: its controller wants a front
end, which its own library refuses.)
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..waiting import wait_for

__all__ = ["large_slurm"]

NODES = """
NodeName=c[0001-1200] Sockets=2 CoresPerSocket=32 ThreadsPerCore=2 RealMemory=257000 State=CLOUD
NodeName=a[001-200] Sockets=2 CoresPerSocket=32 RealMemory=1031000 MemSpecLimit=8000 \
Gres=gpu:nvidia_a100-sxm4-80gb:4 Feature=nvlink State=CLOUD
NodeName=v[001-100] Sockets=2 CoresPerSocket=20 RealMemory=384000 Gres=gpu:v100:8 State=CLOUD
NodeName=p[001-050] Sockets=2 CoresPerSocket=10 RealMemory=128000 Gres=gpu:2 \
Feature=haswell,p100 State=CLOUD
PartitionName=batch Nodes=c[0001-1200] Default=YES MaxTime=7-00:00:00
PartitionName=gpu Nodes=a[001-200],v[001-100] MaxTime=2-00:00:00
PartitionName=debug Nodes=a[001-002] MaxTime=30
PartitionName=cryo-em Nodes=a[150-200] MaxTime=14-0 AllowGroups=root
PartitionName=old.gpu Nodes=p[001-050] MaxTime=INFINITE
PartitionName=everything Nodes=ALL Hidden=YES
PartitionName=closed Nodes=a001 State=INACTIVE
"""


@contextmanager
def large_slurm() -> Iterator[Path]:
    """Run such a controller; its slurm.conf."""
    with TemporaryDirectory(
        prefix="large-slurm-", dir="/tmp"
    ) as folder:  # sockets want short paths
        yield from _controller(Path(folder))


def _controller(folder: Path) -> Iterator[Path]:
    for name in ("run", "state", "log"):
        (folder / name).mkdir()
    munge, configuration = folder / "run" / "munge.socket", folder / "slurm.conf"
    key = folder / "run" / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(1024))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    configuration.write_text(
        f"ClusterName=large\nSlurmctldHost={socket.gethostname()}(127.0.0.1)\n"
        f"SlurmctldPort={port}\nSlurmUser={user}\nSlurmdUser={user}\n"
        f"AuthInfo=socket={munge}\nStateSaveLocation={folder}/state\n"
        f"SlurmctldPidFile={folder}/run/slurmctld.pid\nSlurmctldLogFile={folder}/log/slurmctld\n"
        "CommunicationParameters=NoCtldInAddrAny\nMailProg=/bin/true\n"
        "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n"
        "JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n"
        "SelectType=select/cons_tres\nSelectTypeParameters=CR_Core_Memory\nGresTypes=gpu\n"
        "SuspendTime=300\nSuspendProgram=/bin/true\nResumeProgram=/bin/true\nPrivateData=cloud\n"
        + NODES
    )
    environment = {**os.environ, "SLURM_CONF": str(configuration)}
    munged = ["munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}",
              f"--socket={munge}", f"--pid-file={folder}/run/munged.pid",
              f"--seed-file={folder}/run/munge.seed"]  # fmt: skip
    with (
        _running(munged, folder / "log" / "munged", environment),
        _running(["slurmctld", "-D", "-f", str(configuration)], folder / "log/ctld", environment),
    ):
        wait_for(lambda: _answers(environment), 10, "an answer of the controller")
        yield configuration


def _answers(environment: dict[str, str]) -> bool:
    ping = subprocess.run(["scontrol", "ping"], env=environment, capture_output=True, timeout=30)
    return ping.returncode == 0


@contextmanager
def _running(command: Sequence[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
            env={**environment, "PATH": path}, cwd="/",
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)
