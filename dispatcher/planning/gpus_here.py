"""How many of this machine's GPUs a job that runs here would see."""

from __future__ import annotations

import os
from functools import partial
from itertools import takewhile

from ..config.gpu_vendors import GpuVendor

__all__ = ["gpus_here"]


def gpus_here(vendor: GpuVendor) -> int | None:
    """The GPUs that the vendor's driver knows, or fewer if a variable names fewer of them.

    None if there is no such driver, or if it does not tell: nothing is known of the machine then.
    The list in the variable ends at its first entry that names no GPU, as CUDA reads it.
    """
    try:
        present = len(list(vendor.cards.iterdir())) if vendor.cards else None
    except OSError:
        present = None
    allowed = os.environ.get(vendor.variables[0])
    if present is None or allowed is None:
        return present
    devices = (device.strip() for device in allowed.split(","))
    return min(present, sum(1 for _ in takewhile(partial(_is_gpu, present), devices)))


def _is_gpu(present: int, device: str) -> bool:
    """Whether an entry can be a GPU: a number below that of the GPUs, or a UUID."""
    if device.startswith(("GPU-", "MIG-")):
        return True
    return device.isdecimal() and int(device) < present
