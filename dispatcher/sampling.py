"""How many poses RELION tries per particle, which decides the working memory of its threads."""

from __future__ import annotations

import math
import re

__all__ = ["coarse_samples", "symmetry_order"]


def coarse_samples(
    classes: int,
    dimensions: int,
    healpix_order: int,
    psi_step: float,
    offset_range: float,
    offset_step: float,
    symmetry: str = "C1",
    shifts_in_3d: bool = False,
) -> int:
    """Poses tried per particle in the first pass of a global search, over all classes.

    ``dimensions`` (2 or 3) are those of the references.
    HEALPix directions (12 * 4^order, divided by the symmetry; one in 2D) times in-plane angles
    (``psi_step`` degrees; 0 or less: RELION's default) times shifts on a grid of ``offset_step``
    within ``offset_range`` pixels (src/healpix_sampling.cpp, 3.1 to 5.0).
    """
    in_3d = dimensions == 3
    step = psi_step if psi_step > 0 else 60 / (1 << healpix_order) if in_3d else 10.0
    angles = math.ceil(360 / step)
    directions = -(-(12 << 2 * healpix_order) // symmetry_order(symmetry)) if in_3d else 1
    shifts = _shifts(offset_range, offset_step, 3 if shifts_in_3d else 2)
    return int(classes * directions * angles * shifts)


def _shifts(reach: float, step: float, dimensions: int) -> int:
    """Points of a grid in a circle or sphere: reach 5 and step 2 pixels -> 21 in 2D."""
    if reach < 0 or step <= 0:
        return 1
    along = min(math.floor(math.sqrt(reach**2 + 0.001) / step), 100)  # no search is wider
    if dimensions == 1:
        return 2 * along + 1
    chords = (math.sqrt(max(reach**2 - (n * step) ** 2, 0)) for n in range(-along, along + 1))
    return sum(_shifts(chord, step, dimensions - 1) for chord in chords)


def symmetry_order(group: str) -> int:
    """Rotations in a point group by RELION's name: 'C1' -> 1, 'D2' -> 4, 'O' -> 24, 'I1' -> 60."""
    match = re.fullmatch(r"([CDTOI])(\d*)[HV]?", group.upper())
    if match is None:
        return 1
    kind, number = match.groups()
    fold = int(number or 1) or 1
    return {"C": fold, "D": 2 * fold, "T": 12, "O": 24, "I": 60}[kind]
