"""How many tilts a subtomogram has that is a 2D stack of a tilt series (RELION 5)."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..errors import InputError
from ..relion import star
from .image_header import image_header

__all__ = ["USUAL", "tilts"]

USUAL = 61  # from -60 to 60 degrees in steps of 2: an estimate on the safe side, as 41 are usual


def tilts(particles: str, project: Path) -> int:
    """The tilts of the first subtomogram in the STAR file ``particles``, which stand for all.

    RELION 5 notes for each subtomogram which tilts it is seen in (``_rlnTomoVisibleFrames``, as
    ``[1,1,0]``); those in which it is not seen count as well here, as it may be seen there by the
    next one. Else its stack tells, and if that cannot be read, ``USUAL`` counts.
    """
    with contextlib.suppress(InputError):
        for block in star.read_blocks(project / particles, rows=1):
            if seen := block.first("_rlnTomoVisibleFrames"):
                return seen.count(",") + 1
            if stack := block.first("_rlnImageName"):
                return image_header(project / stack.rpartition("@")[2]).nz
    return USUAL
