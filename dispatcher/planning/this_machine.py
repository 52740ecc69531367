"""What a job that runs on this machine may use of it: cores, host memory, GPUs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path

from ..config.gpu_vendors import GpuVendor
from ..config.site import Partition
from ..units import whole_number

__all__ = ["gpus_here", "memory_here", "this_machine"]

_MEMINFO, _CGROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def this_machine(vendor: GpuVendor) -> Partition:
    """This machine as a partition: the cores of this process, memory in bytes, `vendor`'s GPUs.

    None for what the machine does not tell.
    """
    cores = len(os.sched_getaffinity(0))
    return Partition(cores=cores, memory=memory_here(), gpus=gpus_here(vendor))


def memory_here(
    meminfo: Path = _MEMINFO, cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP
) -> int | None:
    """Bytes: the machine's, or the least that a control group above this process allows."""
    found = re.search(r"^MemTotal: *(\d+) kB", _text(meminfo), re.MULTILINE)
    total = int(found[1]) * 1024 if found else None
    limits = [*_limits(cgroups, membership), *([total] if total else [])]
    return min(limits, default=None)


def _limits(cgroups: Path, membership: Path) -> Iterator[int]:
    """The memory limits of the groups that hold this process, in both of Linux's layouts."""
    for line in _text(membership).splitlines():
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if not controllers:
            top, file = cgroups, "memory.max"
        elif "memory" in controllers.split(","):
            top, file = cgroups / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            limit = _text(folder / file).strip()
            if (number := whole_number(limit)) is not None:
                yield number
            if folder == top:
                break


def gpus_here(vendor: GpuVendor) -> int | None:
    """The GPUs that the vendor's driver knows, or fewer if a variable names fewer of them.

    0 without a driver, None if there is a driver that does not tell. The list in the variable ends
    at its first entry that names no GPU, as CUDA reads it.
    """
    try:
        present = len(list(vendor.cards.iterdir())) if vendor.cards else None
    except OSError:
        present = None
    if present is None and not vendor.device.exists():
        return 0
    allowed = os.environ.get(vendor.variables[0])
    if present is None or allowed is None:
        return present
    devices = (device.strip() for device in allowed.split(","))
    return min(present, sum(1 for _ in takewhile(partial(_is_gpu, present), devices)))


def _is_gpu(present: int, device: str) -> bool:
    """Whether an entry can be a GPU: a number below that of the GPUs, or a UUID."""
    if device.startswith(("GPU-", "MIG-")):
        return True
    number = whole_number(device) if device.isdecimal() else None
    return number is not None and number < present


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
