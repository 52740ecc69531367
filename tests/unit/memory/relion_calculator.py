"""A second calculator of what RELION allocates on a GPU, written from its source alone.

It shares no code with the dispatcher, and follows RELION step by step where the dispatcher has
formulas: arrays are listed one by one, numbers of single precision are numpy's, and the directions
of RELION are C++'s. Lines are of RELION 5.0.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy

FLOAT = numpy.float32


class Model(NamedTuple):
    """What decides the fixed objects; sizes in pixels, ``current`` -1 for the full box.

    ``pseudo_halves``: VDAM without split half sets. ``touching``: ordered pairs of bodies that
    overlap.
    """

    in_3d: bool
    box: int
    current: int
    pad: float
    classes: int = 1
    bodies: int = 1
    touching: int = 0
    pseudo_halves: bool = False
    asymmetric: bool = False


def rounded(value: float) -> int:
    """``ROUND`` (macros.h:197), which truncates after adding or subtracting a half."""
    return int(value + 0.5) if value > 0 else int(value - 0.5)


class Grid:
    """The array of a ``Projector`` after ``initialiseData`` (projector.cpp:59)."""

    def __init__(self, model: Model, padding: numpy.float32) -> None:
        limit = model.box // 2
        radius = limit if model.current < 0 else min(model.current // 2, limit)
        self.pad_size = 2 * (rounded(float(padding * FLOAT(radius))) + 1) + 1
        self.shape = [self.pad_size, self.pad_size // 2 + 1]
        if model.in_3d:
            self.shape.insert(0, self.pad_size)

    def cells(self) -> int:
        product = 1
        for extent in self.shape:
            product *= extent
        return product


def recomputed(model: Model) -> numpy.float32:
    """The padding of a projector once it was filled (projector.cpp:130)."""
    padded = rounded(float(FLOAT(model.pad) * FLOAT(model.box)))
    if padded % 2 == 1:
        padded += 1
    return FLOAT(FLOAT(padded) / FLOAT(model.box))


def projectors(model: Model) -> list[Grid]:
    """``PPref``: ml_model.cpp:90, and :1438 for each overlap."""
    of_each = Grid(model, recomputed(model))
    grids = [of_each] * model.classes * model.bodies
    return grids + [of_each] * model.touching


def backprojectors(model: Model) -> list[Grid]:
    """``BPref``: ml_model.cpp:1738 and :1777."""
    padding = FLOAT(model.pad)
    if model.asymmetric:
        padding = FLOAT(padding + FLOAT(1))
    halves = 2 if model.pseudo_halves else 1
    return [Grid(model, padding)] * halves * model.classes * model.bodies


def fixed_bytes(model: Model) -> int:
    """``setupFixedSizedObjects`` (cuda_ml_optimiser.cu:106): two arrays each, three each."""
    total = 0
    for grids, arrays in (
        (projectors(model), ("real", "imaginary")),  # acc_projector_impl.h:55
        (backprojectors(model), ("real", "imaginary", "weight")),  # acc_backprojector_impl.h:43
    ):
        total += sum(FLOAT(0).itemsize * len(arrays) * cells for cells in map(Grid.cells, grids))
    return total


def coarse_bytes(classes: int, orientations: int, shifts: int, tilts: int) -> int:
    """The first pass of one thread (acc_ml_optimiser_impl.h)."""
    weights = 4 + 4  # Mweight (3837), allWeights (1150)
    sorting = 4 + 4 + 4 + 4  # filtered, sorted, their sum, CUB's scratch (2227)
    plans = (9 * 4 + 8) * tilts  # Euler matrices and indices, for each class and image (1064)
    return classes * orientations * (shifts * (weights + sorting) + plans)


def fine_bytes(poses: int, orientations: int, older: bool) -> int:
    """The second pass of one thread; both numbers of the oversampled search."""
    index = 8
    weights = 4 * poses  # acc_ml_optimiser.h:382
    indices = 4 * index * poses  # rot_id, rot_idx, trans_idx, ihidden_overs
    jobs = 2 * index * poses if older else 2 * index * poses // 4  # 4.0.2:3373; 5.0.1:1687
    sorting = (4 + 4 + 4) * poses  # sorted, cumulative sum, CUB's buffer (2485)
    return weights + indices + jobs + sorting + (9 * 4 + index) * orientations
