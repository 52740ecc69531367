"""How many bytes one rank of relion_refine takes on its GPU, and how many ranks that allows.

Two models. ``relion`` follows what RELION's code allocates, read in its source at 3.1.4, 4.0.2
and 5.0.1; ``fmi`` is the historic formula, kept for sites that want the old numbers. Pure
arithmetic: bytes and pixels in, bytes and ranks out; no file is read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .refinement import RefinementModel

__all__ = [
    "HARDWARE",
    "HardwareConstants",
    "bytes_per_rank",
    "fixed_bytes_per_rank",
    "fmi_bytes_per_rank",
    "fmi_ranks_per_gpu",
    "least_bytes_per_rank",
    "ranks_per_gpu",
    "transform_size",
    "usable_bytes",
]

THREAD_RESERVE = 200_000_000  # GPU_THREAD_MEMORY_OVERHEAD_MB, acc/cuda/cuda_settings.h:153
FILLED_MASK_RESERVE = 100_000_000  # without --zero_mask, ml_optimiser.cpp:545 (5.0.1)
COARSE_SAMPLE_BYTES = 24  # weights, filter, sort and cumulative sum, acc_ml_optimiser_impl.h


class HardwareConstants(NamedTuple):
    """What only a card can tell; estimates from RELION's source until measured on one.

    ``context``: bytes of a CUDA context per process (0.3 to 0.6 GB seen). ``margin_percent``: on
    the fixed objects, RELION's own 1.05 (``checkFixedSizedObjects``, cuda_ml_optimiser.cu:79).
    ``pool_floor``, ``pool_per_thread``: bytes of working pool below which the expectation step
    runs dry (RELION warns below 200 MB). ``usable_percent``: of the card's memory, what its
    driver leaves.
    """

    context: int = 500_000_000
    margin_percent: int = 105
    pool_floor: int = 500_000_000
    pool_per_thread: int = 100_000_000
    usable_percent: int = 97


HARDWARE = HardwareConstants()


def transform_size(box: int, current_size: int, padding: float, dimensions: int) -> int:
    """Values in the padded half-complex transform of one reference (V), per real component.

    ``r = min(current_size, box) / 2``, ``P = 2 * (round(padding * r) + 1) + 1``, then
    ``P * P * (P/2 + 1)`` in 3D and ``P * (P/2 + 1)`` in 2D, all in integers
    (``Projector::initialiseData``, src/projector.cpp:59, 3.1 to 5.0). Sizes in pixels;
    a ``current_size`` of 0 is the full box.
    """
    radius = min(current_size or box, box) // 2
    side = 2 * (math.floor(padding * radius + 0.5) + 1) + 1
    return (side if dimensions == 3 else 1) * side * (side // 2 + 1)


def fixed_bytes_per_rank(model: RefinementModel) -> int:
    """Bytes of projectors and backprojectors on each GPU that a rank uses.

    ``4 * (2 * nPP + 3 * nBP) * V``: single precision, a projector has a real and an imaginary
    part, a backprojector a weight as well (``MlDeviceBundle::setupFixedSizedObjects``,
    acc/cuda/cuda_ml_optimiser.cu:106). One of each per class or body; VDAM has two backprojectors
    per class (pseudo half sets, ml_model.cpp, 4.0 on), overlapping bodies one projector more per
    pair (ml_model.cpp:1429).
    """
    objects = model.classes * model.bodies
    projectors = objects + model.body_overlaps
    backprojectors = objects * (2 if model.gradient else 1)
    size = transform_size(model.box, model.current_size, model.padding, model.dimensions)
    return 4 * (2 * projectors + 3 * backprojectors) * size


def pool_bytes(model: RefinementModel, threads: int, hardware: HardwareConstants = HARDWARE) -> int:
    """The least working pool in bytes for ``threads`` threads, each with one particle."""
    per_thread = COARSE_SAMPLE_BYTES * model.coarse_samples + hardware.pool_per_thread
    return max(hardware.pool_floor, threads * per_thread)


def bytes_per_rank(
    model: RefinementModel,
    threads: int,
    free_gpu_memory: float = 0,
    hardware: HardwareConstants = HARDWARE,
) -> int:
    """Bytes that one rank with ``threads`` threads on one GPU needs there.

    Context, fixed objects with their margin, 200 MB per thread, working pool, and what RELION
    leaves free on purpose: ``free_gpu_memory`` in MB of 10^6 bytes (``--free_gpu_memory``, per
    rank) and 100 MB where the mask is not filled with zeros.
    """
    fixed = fixed_bytes_per_rank(model) * hardware.margin_percent
    left_free = math.ceil(free_gpu_memory * 1_000_000)
    return (
        hardware.context
        + -(-fixed // 100)
        + threads * THREAD_RESERVE
        + pool_bytes(model, threads, hardware)
        + left_free
        + (0 if model.zero_mask else FILLED_MASK_RESERVE)
    )


def least_bytes_per_rank(
    model: RefinementModel,
    free_gpu_memory: float = 0,
    hardware: HardwareConstants = HARDWARE,
) -> int:
    """Bytes below which a rank cannot run at all: one thread's worth, and no overlapping bodies.

    Above it RELION may still run, with a smaller pool than it likes and a warning
    (ml_optimiser_mpi.cpp:1218, 5.0.1).
    """
    sparse = replace(model, body_overlaps=0, coarse_samples=0)
    return bytes_per_rank(sparse, 1, free_gpu_memory, hardware)


def usable_bytes(gpu_bytes: int, hardware: HardwareConstants = HARDWARE) -> int:
    """Bytes of a card with ``gpu_bytes`` that ranks may share."""
    return gpu_bytes * hardware.usable_percent // 100


def ranks_per_gpu(
    model: RefinementModel,
    gpu_bytes: int,
    threads: int,
    free_gpu_memory: float = 0,
    hardware: HardwareConstants = HARDWARE,
) -> int:
    """Ranks that share a card of ``gpu_bytes`` by the relion model; 0 if not one fits."""
    per_rank = bytes_per_rank(model, threads, free_gpu_memory, hardware)
    return usable_bytes(gpu_bytes, hardware) // per_rank


def fmi_bytes_per_rank(model: RefinementModel) -> int:
    """Bytes of one rank by the historic formula: ``84 * box^ndim * pad * nclass``.

    84 = 1.05 * 2.5 * 4 * 2^3 has padding 2 in it already, so this is twice (padding 2) to eight
    times (padding 1) what RELION allocates in 3D; it knows no context, threads, bodies or VDAM.
    """
    voxels: int = model.box**model.dimensions
    return math.ceil(84 * voxels * model.classes * model.padding)


def fmi_ranks_per_gpu(model: RefinementModel, gpu_bytes: int) -> int:
    """``floor(bytes / (84 * box^ndim * pad * nclass))``; 0 if not one rank fits."""
    return gpu_bytes // fmi_bytes_per_rank(model)
