"""The working pool on the GPU: what the threads of a rank need for the particles in their hands.

RELION gives a rank's pool all memory that is left (ml_optimiser_mpi.cpp:1207, 5.0.1) and stops
with "CudaCustomAllocator out of memory" when its threads want more. Arrays are those of
acc/acc_ml_optimiser_impl.h; line numbers are 5.0.1's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.gpu_constants import HARDWARE, HardwareConstants

if TYPE_CHECKING:
    from .refinement import Refinement

__all__ = ["coarse_bytes", "fine_bytes", "image_bytes", "pool_bytes"]

ORIENTATION_BYTES = 36 + 8  # Euler matrix and index
COARSE_POSE_BYTES = 24  # two weights (3837, 1150), filter, sort, cumulative sum, scratch (2227)
# Weight and four indices (acc_ml_optimiser.h:382); then sorted weights, their cumulative sum and
# the sort's own buffer (2485, cuda/cuda_utils_cub.cuh:208).
FINE_POSE_BYTES = 4 + 4 * 8 + 3 * 4
JOB_BYTES = 4  # where a job begins, and how long it is: 16 bytes for four poses (1687)
BUNDLED_POSE_BYTES = 16  # the same up to 4.0, in bundleD2, for each pose (4.0.2: 3373)
WORST_THREADS = 2  # of a rank at once: 3dem/relion#1084 had three with 24, 43 and 43 million poses
OTHER_IMAGES = 10  # images, shifted ones, noise and masks beside the sums


def coarse_bytes(refinement: Refinement) -> int:
    """Bytes of one thread in the first pass: every pose of every class.

    A particle of several tilts has the Euler matrices of each (1064; the second pass has those of
    one tilt at a time, 1558).
    """
    orientations = refinement.classes * refinement.search.finest
    poses = orientations * refinement.search.shifts
    return COARSE_POSE_BYTES * poses + ORIENTATION_BYTES * orientations * refinement.tilts


def fine_bytes(
    refinement: Refinement, orientations: int, relion_version: tuple[int, int] | None = None
) -> int:
    """Bytes of one thread in the second pass, with so many significant orientations.

    52 for each pose, 64 up to RELION 4.0. ``orientations``: of one class, before oversampling. Each
    is tried with every shift. A version that is not known counts as 4.0 or older, which needs more.
    """
    search = refinement.search
    significant = refinement.classes * orientations
    if search.significant:
        significant = min(significant, search.significant)
    if search.rotation_factor * search.shift_factor == 1:
        return 0  # without oversampling there is no second pass
    fine = significant * search.rotation_factor
    older = relion_version is None or relion_version < (5, 0)
    per_pose = FINE_POSE_BYTES + (BUNDLED_POSE_BYTES if older else JOB_BYTES)
    return per_pose * fine * search.shifts * search.shift_factor + ORIENTATION_BYTES * fine


def image_bytes(refinement: Refinement) -> int:
    """Bytes of one thread for sums over classes, as large as the half-complex transform.

    ``(2K + 1) * N * (N/2 + 1) * 4`` for images (``wdiff2s``, line 3125);
    ``(2K + 10) * N^2 * (N/2 + 1) * 4`` for subtomograms that are volumes, whose other arrays are
    no longer small. RELION 5's 2D stacks of a tilt series are images here.
    """
    size = refinement.image_box or refinement.box
    pixels = size * (size // 2 + 1)
    if refinement.data_dimensions == 3:
        return 4 * (2 * refinement.classes + OTHER_IMAGES) * pixels * size
    return 4 * (2 * refinement.classes + 1) * pixels


def pool_bytes(
    refinement: Refinement,
    threads: int,
    hardware: HardwareConstants = HARDWARE,
    relion_version: tuple[int, int] | None = None,
) -> int:
    """The least working pool in bytes for ``threads`` threads, each with one particle.

    How many poses are significant is for the particles to say. Two threads are planned with
    particles that tell none apart (an empty image, a bad reference: 94.5 % of the orientations
    of 3dem/relion#769) in the finest global search; the others with ``significant_percent`` of
    those of the first iteration, when references are blurred: sampling is refined only after
    resolution has improved. The passes of a thread follow each other and do not add up.
    """
    search = refinement.search
    coarse = coarse_bytes(refinement)
    worst = max(coarse, fine_bytes(refinement, search.finest, relion_version))
    some = -(-min(search.first, search.finest) * hardware.significant_percent // 100)
    usual = max(coarse, fine_bytes(refinement, some, relion_version))
    of_each = image_bytes(refinement) + hardware.pool_per_thread
    at_worst = min(threads, WORST_THREADS)
    of_all = at_worst * worst + (threads - at_worst) * usual + threads * of_each
    return max(hardware.pool_floor, of_all)
