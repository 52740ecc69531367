"""Subtomograms that are 2D stacks of a tilt series (RELION 5): tilts, and sections of the file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..relion import star
from .image_header import image_header

__all__ = ["USUAL", "Stack", "first_stack"]

USUAL = 61  # from -60 to 60 degrees in steps of 2: an estimate on the safe side, as 41 are usual


class Stack(NamedTuple):
    """The 2D stack of one subtomogram: the tilts in which it may be seen, and what its file holds.

    Both are the same but for RELION 5.1's real subtomograms: ``relion_tomo_subtomo --real_subtomo
    --stack2d`` calls them 2D stacks, and their files are volumes of as many sections as pixels.
    """

    tilts: int
    sections: int


def first_stack(particles: str, project: Path) -> Stack:
    """The first subtomogram in the STAR file ``particles``, which stands for all.

    RELION 5 notes for each subtomogram which tilts it is seen in (``_rlnTomoVisibleFrames``, as
    ``[1,1,0]``); those in which it is not seen count as well here, as the next one may be seen
    there. ``USUAL`` tilts count if neither the table nor the file tells.
    """
    tilts = sections = 0
    with contextlib.suppress(InputError):
        for block in star.read_blocks(project / particles, rows=1):
            if stack := block.first("_rlnImageName"):
                tilts = (block.first("_rlnTomoVisibleFrames") or "").count(",") + 1
                sections = image_header(project / stack.rpartition("@")[2]).nz
                break
    if tilts < 2:
        tilts = sections or USUAL
    return Stack(tilts, max(tilts, sections))
