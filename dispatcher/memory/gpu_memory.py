"""How many bytes one rank of relion_refine takes on its GPU.

Two models. ``relion`` follows what RELION's code allocates, read in its source at 3.1.4, 4.0.2
and 5.0.1; ``fmi`` is the historic formula, kept for sites that want the old numbers. Pure
arithmetic: pixels in, bytes out; no file is read. docs/gpu.md explains both.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ..config.gpu_constants import HARDWARE, HardwareConstants
from .gpu_pool import pool_bytes
from .sampling import Search
from .transforms import backprojector_side, projector_side, values

if TYPE_CHECKING:
    from .refinement import Refinement

__all__ = [
    "allocated_bytes_per_rank",
    "bytes_per_rank",
    "fixed_bytes_per_rank",
    "fmi_bytes_per_rank",
    "least_bytes_per_rank",
    "reserved_bytes",
    "usable_bytes",
]

MORE_THAN_ANY = 2**50  # bytes; no GPU comes near, and job scripts count in 64 bits
THREAD_RESERVE = 200_000_000  # GPU_THREAD_MEMORY_OVERHEAD_MB, acc/cuda/cuda_settings.h:153
FILLED_MASK_RESERVE = 100_000_000  # without --zero_mask, ml_optimiser.cpp:545 (5.0.1)


def fixed_bytes_per_rank(refinement: Refinement) -> int:
    """Bytes of projectors and backprojectors on each GPU that a rank uses, as RELION asks for them.

    ``4 * (2 * nPP * V + 3 * nBP * V')``: single precision, a projector has a real and an imaginary
    part, a backprojector a weight as well (``MlDeviceBundle::setupFixedSizedObjects``,
    acc/cuda/cuda_ml_optimiser.cu:106); V and V' are the same unless padding is fractional or
    asymmetric. One of each per class or body; VDAM has two backprojectors
    per class (pseudo half sets, ml_model.cpp, 4.0 on), overlapping bodies one projector more per
    pair (ml_model.cpp:1429). None when the alignment is skipped.
    """
    projectors, backprojectors = _objects(refinement)
    projector, backprojector = projector_side(refinement), backprojector_side(refinement)
    return 4 * (
        2 * projectors * values(projector, refinement.dimensions)
        + 3 * backprojectors * values(backprojector, refinement.dimensions)
    )


def _objects(refinement: Refinement) -> tuple[int, int]:
    """Projectors and backprojectors of one rank."""
    if refinement.skips_alignment:
        return 0, 0
    objects = refinement.classes * refinement.bodies
    return objects + refinement.body_overlaps, objects * (2 if refinement.gradient else 1)


def allocated_bytes_per_rank(refinement: Refinement, hardware: HardwareConstants = HARDWARE) -> int:
    """Bytes that the fixed part takes from the GPU.

    The driver pads textures and hands memory out in steps; RELION's authors allow 5 % for such
    things. The larger of the two counts: 5 % for large references, padding for small ones.
    """
    projectors, backprojectors = _objects(refinement)
    side = projector_side(refinement)
    columns = side // 2 + 1
    if refinement.dimensions == 3:
        tile = hardware.texture_tile
        texture = 4 * math.prod(map(_rounded_up, (columns, side, side), tile))
    else:
        texture = side * _rounded_up(4 * columns, hardware.texture_pitch)
    buffer = 4 * values(backprojector_side(refinement), refinement.dimensions)
    taken = _pieces(2 * projectors, texture, hardware.allocation_step)
    taken += _pieces(3 * backprojectors, buffer, hardware.allocation_step)
    margin = -(-fixed_bytes_per_rank(refinement) * hardware.margin_percent // 100)
    return min(max(taken, margin), MORE_THAN_ANY)


def _rounded_up(size: int, step: int) -> int:
    return -(-size // step) * step


def _pieces(count: int, size: int, step: int) -> int:
    """Bytes of ``count`` allocations: several small ones share a step, large ones take whole."""
    if 2 * size > step:
        return count * _rounded_up(size, step)
    return -(-count // (step // size)) * step


def bytes_per_rank(
    refinement: Refinement,
    threads: int,
    free_gpu_memory: float = 0,
    hardware: HardwareConstants = HARDWARE,
    *,
    relion_version: tuple[int, int] | None = None,
    mps: bool = False,
) -> int:
    """Bytes that one rank with ``threads`` threads on one GPU needs there.

    Context, fixed objects as they are allocated, 200 MB per thread, working pool, and what RELION
    leaves free on purpose: ``free_gpu_memory`` in MB of 10^6 bytes (``--free_gpu_memory``, per
    rank) and 100 MB if the mask is not filled with zeros. Blush runs after the expectation
    step, when all of that but the context is free again, so the larger of the two counts; several
    ranks of a GPU may run it at once (one per half set or class). ``relion_version``: major and
    minor, None for unknown: then the one that needs most counts. ``mps``: through an MPS daemon.
    """
    context = hardware.context_mps if mps else hardware.context
    blush = refinement.blush and (relion_version is None or relion_version >= (5, 0))
    after = hardware.blush_process if blush else 0
    if refinement.skips_alignment:  # ml_optimiser.cpp:2046, 5.0.1
        return after
    expectation = (
        allocated_bytes_per_rank(refinement, hardware)
        + reserved_bytes(refinement, threads)
        + pool_bytes(refinement, threads, hardware, relion_version)
        + math.ceil(free_gpu_memory * 1_000_000)
    )
    return min(context + max(expectation, after), MORE_THAN_ANY)


def reserved_bytes(refinement: Refinement, threads: int) -> int:
    """Bytes that a rank with ``threads`` threads on one GPU leaves free there by itself."""
    return threads * THREAD_RESERVE + (0 if refinement.zero_mask else FILLED_MASK_RESERVE)


def least_bytes_per_rank(
    refinement: Refinement,
    free_gpu_memory: float = 0,
    hardware: HardwareConstants = HARDWARE,
    *,
    relion_version: tuple[int, int] | None = None,
    mps: bool = False,
    sharing_threads: int | None = None,
) -> int:
    """Bytes below which a rank cannot run at all: one thread's worth, and no overlapping bodies.

    Above it RELION may still run, with a smaller pool than recommended and a warning
    (ml_optimiser_mpi.cpp:1218, 5.0.1). ``sharing_threads``: the threads of each rank if several
    share the GPU. Then all that they allocate and leave free counts: a rank that finds less
    leaves nothing free, and takes 70 % of its part (ml_optimiser_mpi.cpp:1223), which overflows
    the GPU if ranks come one after the other.
    """
    sparse = replace(refinement, search=Search(), image_box=0)
    if sharing_threads is None:
        sparse = replace(sparse, body_overlaps=0)
    return bytes_per_rank(
        sparse,
        sharing_threads or 1,
        free_gpu_memory,
        hardware,
        relion_version=relion_version,
        mps=mps,
    )


def usable_bytes(gpu_bytes: int, hardware: HardwareConstants = HARDWARE) -> int:
    """Bytes of a GPU with ``gpu_bytes`` that ranks may share."""
    return gpu_bytes * hardware.usable_percent // 100


def fmi_bytes_per_rank(refinement: Refinement) -> int:
    """Bytes of one rank by the historic formula: ``84 * box^ndim * pad * nclass``.

    84 = 1.05 * 2.5 * 4 * 2^3 has padding 2 in it already, so this is twice (padding 2) to eight
    times (padding 1) what RELION allocates in 3D; it knows no context, threads, bodies or VDAM.
    """
    voxels: int = refinement.box**refinement.dimensions
    return min(math.ceil(84 * voxels * refinement.classes * refinement.padding), MORE_THAN_ANY)
