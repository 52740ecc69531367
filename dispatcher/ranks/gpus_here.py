"""How many of this machine's NVIDIA GPUs a job that runs here would see."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["DRIVER_FOLDER", "gpus_here"]

DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")  # a folder in it for each GPU


def gpus_here() -> int | None:
    """The GPUs that the driver knows, or fewer where CUDA_VISIBLE_DEVICES says so, as jobs see it.

    None where there is no such driver: nothing is known of the machine then.
    """
    try:
        present = len(list(DRIVER_FOLDER.iterdir()))
    except OSError:
        return None
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return present
    return min(present, len([device for device in allowed.split(",") if device.strip()]))
