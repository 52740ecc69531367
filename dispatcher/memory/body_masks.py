"""Which bodies of a multi-body refinement overlap: each pair costs a projector on the GPU.

RELION decides from the masks themselves (``MlModel::initialiseBodies``, ml_model.cpp:1408, 3.1 to
5.0): body *o* is projected once more for body *i* if its mask touches the union of *i* and all
bodies before *o*. Bodies that lie apart need 20 V bytes each, and three that all touch 36 V, so
the masks are read: not into memory, but piece by piece, and no further than the last pair that
is still open. Four masks of 400 pixels (1 GB) that do not all touch took 0.3 s, which only a
multi-body job waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

from ..errors import InputError
from .image_header import ImageHeader, image_header

__all__ = ["extra_projectors"]

BYTES_PER_VOXEL = {0: 1, 1: 2, 2: 4, 6: 2, 12: 2}
BYTES_AT_A_TIME = 1 << 20  # of each mask, read at a time


def extra_projectors(masks: Sequence[Path]) -> int:
    """Projectors beside one per body, for the bodies with these masks in RELION's order.

    Masks that cannot be read or compared (not MRC, of different size or kind, cut short) count as
    overlapping, each with each: RELION will say what is wrong with them.
    """
    bodies = range(len(masks))
    every_pair = len(masks) * (len(masks) - 1)
    try:
        headers = [image_header(mask) for mask in masks]
        if len({header[:4] for header in headers}) > 1 or headers[0].mode not in BYTES_PER_VOXEL:
            return every_pair
        touching = _touching(masks, headers)
    except (InputError, OSError):
        return every_pair

    def touches(one: int, others: set[int]) -> bool:
        return any((min(one, other), max(one, other)) in touching for other in others)

    return sum(
        touches(other, {body, *range(other)} - {other})
        for body in bodies
        for other in bodies
        if body != other
    )


def _touching(masks: Sequence[Path], headers: Sequence[ImageHeader]) -> set[tuple[int, int]]:
    """Pairs of masks with a voxel that is in both."""
    import numpy  # heavy, and on the hook's path of multi-body jobs alone

    width = BYTES_PER_VOXEL[headers[0].mode]
    left = headers[0].nx * headers[0].ny * headers[0].nz * width
    still_open = set(combinations(range(len(masks)), 2))
    touching: set[tuple[int, int]] = set()
    with ExitStack() as stack:
        streams = []
        for mask, header in zip(masks, headers, strict=True):
            streams.append(stack.enter_context(open(mask, "rb")))
            streams[-1].seek(header.start)
        while left and still_open:
            size = min(BYTES_AT_A_TIME, left)
            pieces = [stream.read(size) for stream in streams]
            if any(len(piece) < size for piece in pieces):
                raise InputError("A mask ends before its last voxel.")
            inside = [numpy.frombuffer(piece, f"u{width}") != 0 for piece in pieces]
            found = {(a, b) for a, b in still_open if (inside[a] & inside[b]).any()}
            touching |= found
            still_open -= found
            left -= size
    return touching
