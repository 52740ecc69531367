"""What each rank has to leave free, so that ranks that share a GPU cannot overflow its memory.

In every iteration RELION's ranks pass a barrier; each then allocates projectors and
backprojectors, asks the driver how much is free, and divides that by the ranks that share the GPU;
after a second barrier each takes its part in one piece, and a failure ends the job
(ml_optimiser_mpi.cpp:1173, 1184, 1218, 1258, 1263, 5.0.1; in the same order in 3.1.4 and 4.0.2). No
barrier stands between the allocations and the question. So a fast rank counts memory that slower
ranks are about to take.

At worst the ranks come one after the other. The GPU has M bytes, each of R ranks allocates X, and
rank *i* (from 1) then sees M - i X bytes. The parts of all ranks are M - (R + 1) X / 2 bytes
together. With the R X bytes that are allocated this is more than M, unless each rank leaves
(R - 1) X / (2 R) bytes free. Pure arithmetic.
"""

from __future__ import annotations

import math

from ..config.gpu_constants import HARDWARE, HardwareConstants
from .gpu_memory import allocated_bytes_per_rank, reserved_bytes
from .refinement import Refinement

__all__ = ["least_left_free"]

LEAST_WITH_MPS = 1000  # MB; "needed on V100 with MPS", says the classic configuration


def least_left_free(
    refinement: Refinement | None,
    threads: int,
    ranks: int,
    hardware: HardwareConstants = HARDWARE,
    *,
    mps: bool = False,
) -> int:
    """The least ``--free_gpu_memory`` (MB of 10^6 bytes, per rank) for ``ranks`` ranks on a GPU.

    What RELION leaves free by itself, for ``threads`` threads and a mask that is not filled with
    zeros, counts. 0 for a rank alone on its GPU, and for a refinement that leaves the GPU alone;
    a refinement that is not known (None) counts only through MPS.
    """
    if ranks < 2 or (refinement and refinement.skips_alignment):
        return 0
    overflow = 0
    if refinement:
        parts = allocated_bytes_per_rank(refinement, hardware) * (ranks - 1)
        overflow = -(-parts // (2 * ranks)) - reserved_bytes(refinement, threads)
    return max(math.ceil(overflow / 1_000_000), LEAST_WITH_MPS if mps else 0)
