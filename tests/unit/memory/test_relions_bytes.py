"""The bytes of the dispatcher are those of a second calculator, in 50,000 random cases.

No GPU was at hand: both follow RELION's source, and neither knows what a driver adds.
"""

from __future__ import annotations

import random

from dispatcher.memory import gpu_pool
from dispatcher.memory.gpu_memory import fixed_bytes_per_rank
from dispatcher.memory.gpu_pool import pool_bytes
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search

from . import relion_calculator
from .relion_calculator import Model, backprojectors, projectors

CASES = 50_000
PADDINGS = (1, 1.1, 1.25, 1.3, 1.5, 1.7, 2, 2.2, 2.5, 3)


def a_model(chance: random.Random) -> Model:
    in_3d = chance.random() < 0.7
    box = chance.randint(8, 1200)
    bodies = chance.choice((1, 1, 1, 2, 3, 4)) if in_3d else 1
    vdam = bodies == 1 and chance.random() < 0.3
    return Model(
        in_3d=in_3d,
        box=box,
        current=chance.choice((-1, -1, chance.randint(2, 1400))),
        pad=chance.choice((*PADDINGS, round(chance.uniform(1, 4), 4))),
        classes=1 if bodies > 1 else chance.choice((1, 1, 2, 4, 50, 200)),
        bodies=bodies,
        touching=chance.randint(0, bodies * (bodies - 1)),
        pseudo_halves=vdam,
        asymmetric=chance.random() < 0.1,
    )


def as_refinement(model: Model) -> Refinement:
    return Refinement(
        box=model.box,
        source="particles.star",
        dimensions=3 if model.in_3d else 2,
        classes=model.classes,
        bodies=model.bodies,
        body_overlaps=model.touching,
        padding=model.pad,
        asymmetric_padding=model.asymmetric,
        gradient=model.pseudo_halves,
        current_size=max(0, model.current),
    )


def test_fixed_bytes_are_relions_in_50_000_cases() -> None:
    chance = random.Random(20261128)
    fractional = 0

    for _ in range(CASES):
        model = a_model(chance)
        expected = relion_calculator.fixed_bytes(model)
        assert fixed_bytes_per_rank(as_refinement(model)) == expected, model
        sides = [grids[0].pad_size for grids in (projectors(model), backprojectors(model))]
        fractional += sides[0] != sides[1] and not model.asymmetric
    assert fractional > 1000  # whose projectors compute the padding again


def test_bytes_of_both_passes_are_relions_in_10_000_cases() -> None:
    chance = random.Random(19)

    for _ in range(10_000):
        classes, tilts = chance.choice((1, 2, 50)), chance.choice((1, 1, 41, 61))
        older = tilts == 1 and chance.random() < 0.5
        finest, shifts = chance.randint(1, 40_000), chance.randint(1, 60)
        search = Search(chance.randint(1, finest), finest, shifts)
        refinement = Refinement(256, "", classes=classes, tilts=tilts, search=search)
        orientations = chance.randint(1, finest)
        fine = classes * orientations * 8

        coarse = gpu_pool.coarse_bytes(refinement)
        assert coarse == relion_calculator.coarse_bytes(classes, finest, shifts, tilts)
        found = gpu_pool.fine_bytes(refinement, orientations, (4, 0) if older else (5, 0))
        assert found == relion_calculator.fine_bytes(fine * shifts * 4, fine, older)


def test_two_threads_of_a_rank_may_be_at_their_worst() -> None:
    refinement = Refinement(256, "", search=Search(4608, 36_864, 21))
    worst = relion_calculator.fine_bytes(36_864 * 8 * 84, 36_864 * 8, older=False)
    usual = relion_calculator.fine_bytes(2304 * 8 * 84, 2304 * 8, older=False)

    def more(threads: int) -> int:
        pool = pool_bytes(refinement, threads, relion_version=(5, 0))
        return pool - pool_bytes(refinement, threads - 1, relion_version=(5, 0))

    of_each = 100_000_000 + 3 * 256 * 129 * 4
    assert more(2) == worst + of_each
    coarse = relion_calculator.coarse_bytes(1, 36_864, 21, 1)
    assert more(3) == more(4) == max(usual, coarse) + of_each
