"""How many of this machine's NVIDIA GPUs a job that runs here would see."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path

__all__ = ["DRIVER_FOLDER", "gpus_here"]

DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")  # a folder in it for each GPU


def gpus_here() -> int | None:
    """The GPUs that the driver knows, or those of them that CUDA_VISIBLE_DEVICES names.

    None without such a driver: then nothing is known of the machine. CUDA ignores all of that list
    from the first entry on that names no GPU.
    """
    try:
        present = len(list(DRIVER_FOLDER.iterdir()))
    except OSError:
        return None
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return present
    named = takewhile(lambda device: _is_gpu(device.strip(), present), allowed.split(","))
    return min(present, len(list(named)))


def _is_gpu(device: str, present: int) -> bool:
    """Whether an entry can be a GPU: a number below that of the GPUs, or a UUID."""
    if device.startswith(("GPU-", "MIG-")):
        return True
    return device.isdecimal() and int(device) < present
