"""Which bodies of a multi-body refinement overlap: each pair costs a projector on the GPU.

RELION decides from the masks themselves (``MlModel::initialiseBodies``, ml_model.cpp:1408, 3.1 to
5.0): body *o* is projected anew for body *i* when its mask touches the union of *i* and all
bodies before *o*. Bodies that lie apart need 20 V bytes each, and three that all touch 36 V, so
the masks are read: not into memory, but piece by piece as bytes, without numpy, and no further
than the last pair that is still open. Four masks of 400 pixels (1 GB) that do not all touch took
1.6 s, which only a multi-body job waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

from ..errors import InputError
from ..relion import mrc_header

__all__ = ["extra_projectors"]

BYTES_PER_VOXEL = {0: 1, 1: 2, 2: 4, 6: 2, 12: 2}
BYTES_AT_A_TIME = 1 << 20  # of each mask, read at a time
TO_FLAG = bytes([0] + [1] * 255)


def extra_projectors(masks: Sequence[Path]) -> int:
    """Projectors beside one per body, for the bodies with these masks in RELION's order.

    Masks that cannot be read or compared (not MRC, of different size or kind, cut short) count as
    overlapping, each with each: RELION will say what is wrong with them.
    """
    bodies = range(len(masks))
    every_pair = len(masks) * (len(masks) - 1)
    try:
        headers = [mrc_header.read(mask) for mask in masks]
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


def _touching(
    masks: Sequence[Path], headers: Sequence[mrc_header.MrcHeader]
) -> set[tuple[int, int]]:
    """Pairs of masks with a voxel that is in both."""
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
            flags = [
                _flags(stream.read(size), size, width, mask)
                for stream, mask in zip(streams, masks, strict=True)
            ]
            found = {pair for pair in still_open if flags[pair[0]] & flags[pair[1]]}
            touching |= found
            still_open -= found
            left -= size
    return touching


def _flags(raw: bytes, size: int, width: int, mask: Path) -> int:
    """One byte per voxel of ``width`` bytes, 1 where it is not zero, as one long number."""
    if len(raw) < size:
        raise InputError(f"{mask} ends before its last voxel; make it again.")
    flags = 0
    if raw.count(0) < size:  # most of a mask is empty
        for byte in range(width):
            flags |= int.from_bytes(raw[byte::width].translate(TO_FLAG), "little")
    return flags
