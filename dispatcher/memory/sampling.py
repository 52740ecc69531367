"""How many poses RELION tries per particle, which decides the working memory of its threads.

Everything here is read in src/healpix_sampling.cpp, 3.1 to 5.0.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import NamedTuple

from ..units import whole_number

__all__ = ["Priors", "Search", "helical_shifts", "orientations", "shifts", "symmetry_order"]

ANGLES_AT_ONCE = 32  # in-plane angles that RELION's kernels for 2D references take
CUTOFF = 3  # standard deviations of a prior that a local search covers (sigma_cutoff)


@dataclass(frozen=True)
class Search:
    """The poses of one particle and one class in a run's widest search.

    ``first``: orientations of the first iteration, ``finest``: the most that any iteration tries,
    ``shifts``: of the image, all before oversampling. ``rotation_factor``, ``shift_factor``: how
    many fine ones are made of each significant orientation and of each shift in the second pass
    (2^3n and 2^2n in 3D for ``--oversampling n``). ``shifts_in_3d``: shifts are those of a
    subtomogram. ``significant``: the most poses of all
    classes that the second pass takes up (``--maxsig``), 0 for no limit.
    """

    first: int = 0
    finest: int = 0
    shifts: int = 0
    rotation_factor: int = 8
    shift_factor: int = 4
    shifts_in_3d: bool = False
    significant: int = 0


class Priors(NamedTuple):
    """What is known of a particle's orientation: standard deviations in degrees, 0 for nothing.

    Attributes:
        cone: around the known direction; it has priority over ``rot`` and ``tilt``.
        rot, tilt: of a filament, whose tilt is around 90 degrees.
        psi: in the plane; with ``two_ways`` psi may also point the other way, as filaments do.
    """

    cone: float = 0
    rot: float = 0
    tilt: float = 0
    psi: float = 0
    two_ways: bool = False


NO_PRIORS = Priors()


def orientations(
    dimensions: int,
    healpix_order: int,
    psi_step: float = -1,
    symmetry: str = "C1",
    priors: Priors = NO_PRIORS,
) -> int:
    """Orientations of one class that are tried for a particle.

    HEALPix directions (12 * 4^order, divided by the symmetry; one in 2D, the number of
    ``dimensions`` of the references) times in-plane angles (``psi_step`` degrees; 0 or less:
    RELION's default), as far as the priors allow them. On a GPU, the in-plane angles of 2D
    references are a multiple of 32 (healpix_sampling.cpp:103, 5.0.1; 3.1.4 and 4.0.2: 105).
    """
    if dimensions == 3:
        step = psi_step if psi_step > 0 else 60 / (1 << healpix_order)
        directions = -(-(12 << 2 * healpix_order) // symmetry_order(symmetry))
        share = 1.0
        if priors.cone:
            share = (1 - math.cos(math.radians(min(CUTOFF * priors.cone, 180)))) / 2
        elif priors.rot or priors.tilt:
            share = math.sin(math.radians(min(CUTOFF * priors.tilt, 90))) if priors.tilt else 1
            share *= min(1, 2 * CUTOFF * priors.rot / 360) if priors.rot else 1
        directions = max(1, math.ceil(directions * share))
    else:
        step, directions = psi_step if psi_step > 0 else 10.0, 1
    angles = math.ceil(360 / step)
    if dimensions == 2:
        angles = -(-angles // ANGLES_AT_ONCE) * ANGLES_AT_ONCE
    if priors.psi:
        width = 2 * CUTOFF * priors.psi * (2 if priors.two_ways else 1)
        angles = min(angles, math.ceil(angles * width / 360) + 1)
    return directions * angles


def shifts(reach: float, step: float, dimensions: int) -> int:
    """Points of a grid in a circle or sphere: reach 5 and step 2 pixels -> 21 in 2D."""
    if reach < 0 or step <= 0:
        return 1
    along = min(math.floor(math.sqrt(reach**2 + 0.001) / step), 100)  # no search is wider
    if dimensions == 1:
        return 2 * along + 1
    chords = (math.sqrt(max(reach**2 - (n * step) ** 2, 0)) for n in range(-along, along + 1))
    return sum(shifts(chord, step, dimensions - 1) for chord in chords)


def helical_shifts(
    reach: float, step: float, dimensions: int, rise: float, helical_step: float
) -> int:
    """Shifts of a filament: half a rise each way along it, ``reach`` across it.

    ``reach``, ``step``, the helical ``rise`` and the step along the helix in the same unit; a
    ``helical_step`` of 0 or less, or above a third of the rise, is RELION's default, at most that
    third.
    """
    across = shifts(reach, step, dimensions - 1)
    if rise <= 0 or step <= 0:
        return shifts(reach, step, dimensions)
    along = min(helical_step if helical_step > 0 else step, step, rise / 3)
    return int(across * (2 * math.floor(rise / 2 / along) + 1))


def symmetry_order(group: str) -> int:
    """Rotations in a point group by RELION's name: 'C1' -> 1, 'D2' -> 4, 'O' -> 24, 'I1' -> 60."""
    match = re.fullmatch(r"([CDTOI])([0-9]*)[HV]?", group.upper())
    if match is None:
        return 1
    kind, number = match.groups()
    fold = whole_number(number or "1") or 1
    return {"C": fold, "D": 2 * fold, "T": 12, "O": 24, "I": 60}[kind]
