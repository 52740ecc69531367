"""Which bodies of a multi-body refinement overlap: each pair costs a projector on the GPU.

RELION decides from the masks themselves (``MlModel::initialiseBodies``, ml_model.cpp:1408, 3.1 to
5.0): body *o* is projected once more for body *i* if its mask touches the union of *i* and all
bodies before *o*. Bodies that lie apart need 20 V bytes each, and three that all touch 36 V, so
the masks are read: not into memory, but piece by piece, and no further than the last pair that
is still open. Four masks of 400 pixels (1 GB) that do not all touch took 0.3 s, which only a
multi-body job waits for. Pairs that are open after much more than that count as overlapping.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError
from ..host.shared_files import opened_input
from .image_header import ImageHeader, image_header

__all__ = ["extra_projectors"]

BYTES_PER_VOXEL = {0: 1, 1: 2, 2: 4, 6: 2, 12: 2}
BYTES_AT_A_TIME = 1 << 20  # of each mask, read at a time
MOST_BODIES = 32  # whose masks are compared; RELION's users have less than ten
MOST_BYTES = 8 << 30  # that are read and compared, pair by pair


def extra_projectors(masks: Sequence[Path]) -> int | None:
    """Projectors beside one per body, for the bodies with these masks in RELION's order.

    None if the masks cannot be read or compared (too many, not MRC, of different size or kind, cut
    short): RELION will say what is wrong with them.
    """
    bodies = range(len(masks))
    if len(masks) > MOST_BODIES:
        return None
    try:
        headers = [image_header(mask) for mask in masks]
        if len({header[:4] for header in headers}) > 1 or headers[0].mode not in BYTES_PER_VOXEL:
            return None
        touching = _may_touch(masks, headers)
    except (InputError, OSError):
        return None

    def touches(one: int, others: set[int]) -> bool:
        return any((min(one, other), max(one, other)) in touching for other in others)

    return sum(
        touches(other, {body, *range(other)} - {other})
        for body in bodies
        for other in bodies
        if body != other
    )


def _may_touch(masks: Sequence[Path], headers: Sequence[ImageHeader]) -> set[tuple[int, int]]:
    """Pairs of masks with a voxel that is in both, or for which the search would take too long."""
    import numpy  # heavy, and on the hook's path of multi-body jobs alone

    width = BYTES_PER_VOXEL[headers[0].mode]
    length = headers[0].nx * headers[0].ny * headers[0].nz * width
    still_open = set(combinations(range(len(masks)), 2))
    touching: set[tuple[int, int]] = set()
    with ExitStack() as stack:
        streams = [stack.enter_context(opened_input(mask)) for mask in masks]
        starts = [header.start for header in headers]
        for stream, start in zip(streams, starts, strict=True):
            if os.fstat(stream.fileno()).st_size < start + length:
                raise InputError("A mask ends before its last voxel.")
        at, work = 0, MOST_BYTES
        while still_open and (at := _next_in_two(streams, starts, at)) < length:
            size = min(BYTES_AT_A_TIME, length - at)
            pieces = [
                os.pread(stream.fileno(), size, start + at)
                for stream, start in zip(streams, starts, strict=True)
            ]
            if any(len(piece) < size for piece in pieces):
                raise InputError("A mask ends before its last voxel.")
            inside = [numpy.frombuffer(piece, f"u{width}") != 0 for piece in pieces]
            found = {(a, b) for a, b in still_open if (inside[a] & inside[b]).any()}
            touching |= found
            work -= size * len(masks) + size // width * len(still_open)
            still_open -= found
            at += size
            if work < 0:
                return touching | still_open
    return touching


def _next_in_two(streams: Sequence[BinaryIO], starts: Sequence[int], at: int) -> int:
    """The next piece, from the voxels' byte ``at`` on, in which two files may have more than zeros.

    What was never written to a file is zero, and is not read: a file of terabytes may be empty.
    """
    written = sorted(
        _next_written(stream.fileno(), start + at) - start
        for stream, start in zip(streams, starts, strict=True)
    )
    second = written[1] if len(written) > 1 else at
    return max(at, second // BYTES_AT_A_TIME * BYTES_AT_A_TIME)


def _next_written(descriptor: int, at: int) -> int:
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        # Up to the end nothing was written; or the file system does not tell.
        return os.fstat(descriptor).st_size if error.errno == errno.ENXIO else at
