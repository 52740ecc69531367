"""Ranks that share a GPU cannot overflow it, in whatever order they allocate and ask what is free.

No GPU: RELION's steps are played here, as its source has them (ml_optimiser_mpi.cpp:1173 to 1263,
5.0.1).
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.config.gpu_constants import HARDWARE
from dispatcher.memory.card import Card
from dispatcher.memory.gpu_memory import allocated_bytes_per_rank, reserved_bytes
from dispatcher.memory.pool_race import least_left_free
from dispatcher.memory.refinement import Refinement

REFINE = Refinement(box=400, source="particles.star", auto_refine=True)
MB = 1_000_000


def taken(card: Card, threads: int, left_free: float, order: list[int]) -> int:
    """Bytes on the card when ranks have taken their pools, each as soon as it is its turn.

    ``order``: whose turn it is; a rank allocates its projectors, then its backprojectors, and then
    asks what is free.
    """
    refinement = card.refinement
    assert refinement and card.gpu_bytes
    ranks = len(set(order))
    values = (2 * (refinement.padding * (refinement.box // 2) + 1) + 1) ** 3 / 2
    projectors = 8 * values * refinement.classes
    backprojectors = 12 * values * refinement.classes
    need = left_free * MB + 200 * MB * threads + (0 if refinement.zero_mask else 100 * MB)
    used, turns, pools = 0.0, dict.fromkeys(order, 0), 0.0
    for rank in order:
        turns[rank] += 1
        if turns[rank] == 1:
            used += projectors
        elif turns[rank] == 2:
            used += backprojectors
        elif turns[rank] == 3:
            part = (card.gpu_bytes - used) / ranks
            pools += part - need if part > need else 0.7 * part
    assert all(count >= 3 for count in turns.values())
    return round(used + pools)


ORDERS = st.integers(2, 6).flatmap(
    lambda ranks: st.permutations([rank for rank in range(ranks) for _ in range(3)])
)


@given(
    order=ORDERS,
    box=st.integers(32, 800),
    padding=st.sampled_from([1, 2]),
    classes=st.integers(1, 6),
    threads=st.integers(1, 16),
    zero_mask=st.booleans(),
    mps=st.booleans(),
    spare=st.integers(1, 20 * 10**9),
)
def test_no_order_of_the_ranks_overflows_the_card(
    order: list[int], box: int, padding: int, classes: int, threads: int, zero_mask: bool,
    mps: bool, spare: int,
) -> None:  # fmt: skip
    refinement = replace(REFINE, box=box, padding=padding, classes=classes, zero_mask=zero_mask)
    ranks = len(set(order))
    card = Card(0, refinement, mps=mps)
    # No context and no pool, which would hide an overflow of as many bytes.
    left = card.left_free(threads, ranks) * MB
    each = allocated_bytes_per_rank(refinement, HARDWARE) + reserved_bytes(refinement, threads)
    card = card._replace(gpu_bytes=math.ceil(ranks * (each + left)) + spare)

    assert card.gpu_bytes
    assert taken(card, threads, card.left_free(threads, ranks), order) <= card.gpu_bytes


def test_without_what_is_left_free_ranks_that_come_one_by_one_overflow_the_card() -> None:
    card = Card(24 * 2**30, REFINE)
    one_by_one = [0, 0, 0, 1, 1, 1, 2, 2, 2]

    assert taken(card, 1, 0, one_by_one) > 24 * 2**30
    assert taken(card, 1, least_left_free(REFINE, 1, 3), one_by_one) <= 24 * 2**30


@pytest.mark.parametrize(
    ("box", "threads", "ranks", "least"),
    [(400, 6, 3, 530), (400, 1, 3, 1530), (512, 6, 3, 2400), (256, 6, 3, 0), (400, 6, 1, 0)],
)
def test_what_is_left_free_is_at_least_what_overflows_by_relions_own_bytes(
    box: int, threads: int, ranks: int, least: int
) -> None:
    refinement = replace(REFINE, box=box)
    exact = 0.5 * 20 * (box * 2 + 3) ** 2 * (box + 2) * (ranks - 1) / ranks / MB - 200 * threads
    left = least_left_free(refinement, threads, ranks)

    assert max(0, exact) == pytest.approx(least, abs=20)
    # The driver's padding counts as well: 5 % at most for large references.
    assert max(0, exact) <= left <= max(0, 1.05 * (exact + 200 * threads) - 200 * threads) + 1


def test_a_mask_that_is_filled_with_noise_leaves_100_mb_free_by_itself() -> None:
    noisy = replace(REFINE, zero_mask=False)
    assert least_left_free(noisy, 1, 3) == least_left_free(REFINE, 1, 3) - 100


def test_through_mps_at_least_1000_mb_are_left_free() -> None:
    small = replace(REFINE, box=64)
    assert least_left_free(small, 4, 2) == 0
    assert least_left_free(small, 4, 2, mps=True) == 1000
    assert least_left_free(small, 4, 1, mps=True) == 0
    assert least_left_free(None, 4, 2, mps=True) == 1000
    assert least_left_free(None, 4, 2) == 0
    large = replace(REFINE, box=640)
    assert least_left_free(large, 4, 2, mps=True) == least_left_free(large, 4, 2) > 1000


def test_skipped_alignment_takes_no_memory_for_which_ranks_could_race() -> None:
    assert least_left_free(replace(REFINE, skips_alignment=True), 4, 3, mps=True) == 0


def test_the_larger_value_of_the_command_stays() -> None:
    assert Card(None, REFINE, free_gpu_memory=5000.5).left_free(1, 3) == 5000.5
    assert Card(None, REFINE, free_gpu_memory=100).left_free(1, 3) == least_left_free(REFINE, 1, 3)


def test_a_build_that_takes_memory_piece_by_piece_has_no_race() -> None:
    assert Card(None, REFINE, one_pool=False).left_free(1, 3) == 0


@given(st.integers(1, 16), st.integers(1, 8))
def test_fewer_ranks_never_need_more_left_free(threads: int, ranks: int) -> None:
    fewer = least_left_free(REFINE, threads, ranks)
    assert fewer <= least_left_free(REFINE, threads, ranks + 1)
    assert fewer >= least_left_free(REFINE, threads + 1, ranks)
