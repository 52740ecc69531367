"""What only a measurement on a card shows about its memory: one table, with each value's source.

The shipped values are estimates on the safe side; **none of them was measured on a card**.
``relion-dispatch gpu calibrate`` measures those it can on a node and writes them to the site's
``gpu_constants`` (docs/gpu.md).
"""

from __future__ import annotations

from dataclasses import asdict

from ..units import too_small
from .json_files import strict

__all__ = ["HARDWARE", "HardwareConstants"]


@strict
class HardwareConstants:
    """Constants of the memory model that depend on card and driver; sizes in bytes.

    Attributes:
        context: of one process without MPS, RELION's kernels loaded. 0.3 to 0.6 GB are reported
            by users of RELION; estimate.
        context_mps: of one client of an MPS daemon; not known to be smaller, so the same.
        texture_tile: columns, rows and sections to whose multiples the driver rounds a 3D
            texture of single-precision values up (``cudaMalloc3DArray``,
            acc/acc_projector_impl.h:65). The block-linear layout as Mesa's free driver for
            NVIDIA cards describes it; estimate.
        texture_pitch: to whose multiples the driver rounds a row of a 2D texture up
            (``cudaMallocPitch``, acc_projector_impl.h:76); CUDA's texture pitch alignment is 32,
            its rows start at multiples of 512; estimate.
        allocation_step: in which the driver hands out memory, several small pieces from one step;
            the smallest page of CUDA's virtual memory management.
        margin_percent: on all fixed objects: RELION's own 1.05 (``checkFixedSizedObjects``,
            acc/cuda/cuda_ml_optimiser.cu:79).
        pool_floor: the smallest working pool to plan with; RELION warns below 200 MB
            (ml_optimiser_mpi.cpp:1218, 5.0.1); estimate.
        pool_per_thread: what a thread needs in the pool beside the arrays that gpu_pool.py
            counts: images, masks, projection parameters; estimate.
        significant_percent: of the orientations of the first iteration, how many are significant to
            a usual particle. Not the card's but the particles'; RELION's STAR files
            (``_rlnNrOfSignificantSamples``) mostly have far fewer; estimate.
        blush_process: of RELION 5's Blush (PyTorch with its context, the network and its
            activations); estimate.
        usable_percent: of the card's memory, what its driver, an MPS server and ECC leave.
    """

    context: int = 500_000_000
    context_mps: int = 500_000_000
    texture_tile: tuple[int, int, int] = (16, 32, 16)
    texture_pitch: int = 512
    allocation_step: int = 2_097_152
    margin_percent: int = 105
    pool_floor: int = 500_000_000
    pool_per_thread: int = 100_000_000
    significant_percent: int = 50
    blush_process: int = 4_000_000_000
    usable_percent: int = 97

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least, most = _BOUNDS.get(name, (0, _LARGEST_CARD))
            numbers = value if isinstance(value, tuple) else (value,)
            if min(numbers) < least or max(numbers) > most:
                raise ValueError(f"{name} must be from {least} to {most}")
            if name in _MEMORY and (says := too_small(value, whole=True)):
                raise ValueError(f"{name}: {says}")


_MEMORY = ("context", "context_mps", "pool_floor", "pool_per_thread", "blush_process")
_LARGEST_CARD = 2**50  # bytes, more than any card has
_BOUNDS = {
    "texture_tile": (1, 2**20),
    "texture_pitch": (1, 2**40),
    "allocation_step": (1, 2**40),
    "margin_percent": (100, 10_000),
    "significant_percent": (0, 100),
    "usable_percent": (1, 100),
}

HARDWARE = HardwareConstants()
