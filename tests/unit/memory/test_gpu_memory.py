"""Bytes per rank follow RELION's allocations; expected values are worked out by hand."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.config.gpu_constants import HardwareConstants
from dispatcher.memory import gpu_memory, sampling
from dispatcher.memory.card import Card
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search

REFINE = Refinement(box=256, source="particles.star", auto_refine=True)
CLASS2D = Refinement(box=256, source="particles.star", dimensions=2, classes=200)
INITIAL = Refinement(box=256, source="particles.star", padding=1, gradient=True)

BOXES = st.integers(2, 1200)
MODELS = st.builds(
    Refinement,
    box=BOXES,
    source=st.just("particles.star"),
    dimensions=st.sampled_from([2, 3]),
    classes=st.integers(1, 50),
    padding=st.sampled_from([1, 1.5, 2, 3]),
    gradient=st.booleans(),
    blush=st.booleans(),
    bodies=st.integers(1, 4),
    body_overlaps=st.integers(0, 12),
    data_dimensions=st.sampled_from([2, 3]),
    search=st.builds(
        Search,
        first=st.integers(0, 5000),
        finest=st.integers(0, 50_000),
        shifts=st.integers(0, 50),
        significant=st.sampled_from([0, 500]),
    ),
    zero_mask=st.booleans(),
)


@pytest.mark.parametrize(
    ("box", "pad_2", "pad_1", "vdam_pad_1"),
    [
        (128, 0.17, 0.02, 0.04),
        (256, 1.37, 0.17, 0.28),
        (400, 5.18, 0.66, 1.05),
        (512, 10.8, 1.37, 2.2),
        (640, 21.1, 2.7, 4.3),
        (800, 41.2, 5.2, 8.3),
    ],
)
def test_fixed_bytes_agree_with_the_published_table(
    box: int, pad_2: float, pad_1: float, vdam_pad_1: float
) -> None:
    model = replace(REFINE, box=box)
    one = replace(model, padding=1)
    for expected, gigabytes in [
        (pad_2, gpu_memory.fixed_bytes_per_rank(model) / 1e9),
        (pad_1, gpu_memory.fixed_bytes_per_rank(one) / 1e9),
        (vdam_pad_1, gpu_memory.fixed_bytes_per_rank(replace(one, gradient=True)) / 1e9),
    ]:
        digits = len(str(expected).partition(".")[2])
        assert gigabytes == pytest.approx(expected, abs=0.6 * 10**-digits)


def test_fixed_bytes_are_exact() -> None:
    size = 515 * 515 * 258
    assert gpu_memory.fixed_bytes_per_rank(REFINE) == 20 * size == 1_368_561_000
    assert gpu_memory.fixed_bytes_per_rank(INITIAL) == 32 * 259 * 259 * 130
    assert gpu_memory.fixed_bytes_per_rank(replace(REFINE, classes=4)) == 80 * size
    assert gpu_memory.fixed_bytes_per_rank(CLASS2D) == 20 * 200 * 515 * 258 == 531_480_000
    vdam_2d = replace(CLASS2D, gradient=True)
    assert gpu_memory.fixed_bytes_per_rank(vdam_2d) == 32 * 200 * 515 * 258


def test_bodies_count_as_classes_and_overlaps_as_projectors_only() -> None:
    size = 515 * 515 * 258
    three = replace(REFINE, bodies=3)
    assert gpu_memory.fixed_bytes_per_rank(three) == 60 * size
    overlapping = replace(three, body_overlaps=6)
    assert gpu_memory.fixed_bytes_per_rank(overlapping) == (60 + 6 * 8) * size


def test_fixed_bytes_are_those_of_relions_formulas_over_a_grid() -> None:
    """``4 (2 nPP + 3 nBP) V`` with V and the counts written out here, by body, class and pad."""
    grid = itertools.product((64, 101, 200, 512), (1, 2), (2, 3), (1, 6), (False, True))
    for box, pad, ndim, classes, vdam in grid:
        side = 2 * (pad * (box // 2) + 1) + 1
        values = (side // 2 + 1) * side ** (ndim - 1)
        backprojectors = 2 * classes if vdam else classes
        expected = 8 * values * classes + 12 * values * backprojectors
        model = Refinement(box, "", dimensions=ndim, classes=classes, padding=pad, gradient=vdam)
        assert gpu_memory.fixed_bytes_per_rank(model) == expected
    for bodies, overlaps in [(2, 0), (2, 2), (4, 10), (4, 12)]:
        model = Refinement(360, "", bodies=bodies, body_overlaps=overlaps)
        values = 723 * 723 * 362
        expected = 8 * values * (bodies + overlaps) + 12 * values * bodies
        assert gpu_memory.fixed_bytes_per_rank(model) == expected


def test_small_volumes_are_padded_to_tiles_and_steps() -> None:
    # 66 x 131 x 131 values in tiles of 16 x 32 x 16: 80 x 160 x 144 of 4 bytes are 3.5 steps of
    # 2 MiB; 4 x 131 x 131 x 66 bytes are 2.2 steps
    model = replace(REFINE, box=64)
    assert gpu_memory.allocated_bytes_per_rank(model) == (2 * 4 + 3 * 3) * 2 * 2**20
    loose = HardwareConstants(texture_tile=(1, 1, 1), allocation_step=1)
    expected = math.ceil(20 * 131 * 131 * 66 * 1.05)
    assert gpu_memory.allocated_bytes_per_rank(model, loose) == expected


def test_large_volumes_have_relions_own_margin() -> None:
    large = replace(REFINE, box=400)
    expected = math.ceil(20 * 803 * 803 * 402 * 1.05)
    assert gpu_memory.allocated_bytes_per_rank(large) == expected
    padded = 2 * 4 * 416 * 832 * 816 + 3 * 4 * 803 * 803 * 402
    assert expected > padded  # with tiles of 16 x 32 x 16


def test_small_references_share_steps_and_their_rows_are_padded() -> None:
    # Rows of 258 values take 1536 bytes, a texture 791,040 bytes: two share a step of 2 MiB.
    # A buffer has 531,480 bytes: three share one.
    expected = (400 // 2 + 600 // 3) * 2 * 2**20
    assert gpu_memory.allocated_bytes_per_rank(CLASS2D) == expected


def test_bytes_per_rank_add_up() -> None:
    # context 0.5 GB, 4 x 200 MB, pool of 0.5 GB
    fixed = gpu_memory.allocated_bytes_per_rank(REFINE)
    assert gpu_memory.bytes_per_rank(REFINE, threads=4) == fixed + 1_800_000_000


def test_margin_is_rounded_up_to_a_whole_byte() -> None:
    plain = HardwareConstants(
        context=0, margin_percent=101, pool_floor=0, pool_per_thread=0,
        texture_tile=(1, 1, 1), texture_pitch=1, allocation_step=1,
    )  # fmt: skip
    odd = Refinement(box=2, source="", dimensions=2, padding=1)  # 5 * 3 values, 300 bytes
    assert gpu_memory.fixed_bytes_per_rank(odd) == 300
    images = 3 * 2 * 2 * 4
    assert gpu_memory.bytes_per_rank(odd, 1, 0, plain) == 200_000_000 + 303 + images
    odd = replace(odd, box=4)  # 7 * 4 values
    images = 3 * 4 * 3 * 4
    expected = 200_000_000 + math.ceil(7 * 4 * 20 * 1.01) + images
    assert gpu_memory.bytes_per_rank(odd, 1, 0, plain) == expected


def test_context_may_differ_through_mps() -> None:
    hardware = HardwareConstants(context=400_000_000, context_mps=150_000_000)
    alone = gpu_memory.bytes_per_rank(REFINE, 4, 0, hardware)
    assert alone - gpu_memory.bytes_per_rank(REFINE, 4, 0, hardware, mps=True) == 250_000_000


def test_blush_takes_the_place_of_the_expectation_step() -> None:
    blush = replace(REFINE, blush=True)
    plain = gpu_memory.bytes_per_rank(REFINE, 1)
    assert plain < 4_500_000_000
    assert gpu_memory.bytes_per_rank(blush, 1) == 4_500_000_000
    assert gpu_memory.bytes_per_rank(blush, 1, relion_version=(5, 1)) == 4_500_000_000
    older = gpu_memory.bytes_per_rank(blush, 1, relion_version=(4, 0))
    assert older == gpu_memory.bytes_per_rank(REFINE, 1, relion_version=(4, 0))
    large = replace(blush, box=512)
    without = gpu_memory.bytes_per_rank(replace(large, blush=False), 1)
    assert gpu_memory.bytes_per_rank(large, 1) == without


def test_skipped_alignment_leaves_the_gpu_to_blush() -> None:
    skipped = replace(REFINE, skips_alignment=True)
    assert gpu_memory.fixed_bytes_per_rank(skipped) == 0
    assert gpu_memory.bytes_per_rank(skipped, 4) == 0
    assert Card(24 * 2**30, skipped).most_ranks(4) is None
    assert gpu_memory.bytes_per_rank(replace(skipped, blush=True), 4) == 4_000_000_000


def test_memory_left_free_is_per_rank_and_in_megabytes() -> None:
    plain = gpu_memory.bytes_per_rank(REFINE, 4)
    assert gpu_memory.bytes_per_rank(REFINE, 4, free_gpu_memory=800) == plain + 800_000_000
    assert gpu_memory.bytes_per_rank(REFINE, 4, free_gpu_memory=0.5) == plain + 500_000


def test_mask_filled_with_noise_leaves_100_mb_free() -> None:
    noisy = replace(REFINE, zero_mask=False)
    assert gpu_memory.bytes_per_rank(noisy, 4) == gpu_memory.bytes_per_rank(REFINE, 4) + 10**8


def test_ranks_per_gpu_fill_97_percent_of_the_card() -> None:
    per_rank = gpu_memory.bytes_per_rank(REFINE, 4)  # of 256 pixels: nothing more is left free
    exactly_three = math.ceil(3 * per_rank / 0.97)
    assert Card(exactly_three + 1, REFINE).most_ranks(4) == 3
    assert Card(exactly_three - 2, REFINE).most_ranks(4) == 2
    assert Card(10**9, REFINE).most_ranks(4) == 0


@pytest.mark.parametrize(
    ("model", "gpu_bytes", "ranks"),
    [
        (REFINE, 32_212_254_720, 11),  # 84 * 256^3 * 2 = 2,818,572,288 bytes
        (replace(REFINE, padding=1), 32_212_254_720, 22),
        (replace(REFINE, classes=4), 32_212_254_720, 2),
        (replace(REFINE, box=512), 32_212_254_720, 1),
        (replace(REFINE, box=640), 32_212_254_720, 0),
        (CLASS2D, 2_202_009_600, 1),  # 84 * 256^2 * 2 * 200 bytes
        (CLASS2D, 2_202_009_599, 0),
    ],
)
def test_historic_formula(model: Refinement, gpu_bytes: int, ranks: int) -> None:
    assert Card(gpu_bytes, model, "fmi").most_ranks(4) == ranks


def test_historic_formula_is_twice_too_high_at_padding_2_and_eight_times_at_padding_1() -> None:
    large = replace(REFINE, box=800)
    ratio = gpu_memory.fmi_bytes_per_rank(large) / gpu_memory.fixed_bytes_per_rank(large)
    assert ratio == pytest.approx(2.1, abs=0.1)
    large = replace(large, padding=1)
    ratio = gpu_memory.fmi_bytes_per_rank(large) / gpu_memory.fixed_bytes_per_rank(large)
    assert ratio == pytest.approx(8.3, abs=0.3)


@given(st.integers(0, 12), st.sampled_from([0.5, 1, 1.5, 2, 3]), st.booleans())
def test_shifts_are_the_grid_points_within_reach(reach: int, step: float, deep: bool) -> None:
    grid = [n * step for n in range(-30, 31) if abs(n * step) <= reach]
    inside = sum(
        x * x + y * y + z * z <= reach * reach
        for x, y, z in itertools.product(grid, grid, grid if deep else [0.0])
    )
    assert sampling.shifts(reach, step, 3 if deep else 2) == inside


@pytest.mark.parametrize(
    ("group", "order"),
    [("C1", 1), ("c4", 4), ("D2", 4), ("d7", 14), ("T", 12), ("O", 24), ("I1", 60), ("I", 60),
     ("C", 1), ("odd one", 1), ("C0", 1)],
)  # fmt: skip
def test_symmetry_order(group: str, order: int) -> None:
    assert sampling.symmetry_order(group) == order


@given(MODELS, st.integers(1, 32))
def test_more_never_takes_less(model: Refinement, threads: int) -> None:
    least = gpu_memory.bytes_per_rank(model, threads)
    assert gpu_memory.bytes_per_rank(model, threads, relion_version=(5, 0)) <= least
    assert gpu_memory.least_bytes_per_rank(model) <= least
    assert least > gpu_memory.fixed_bytes_per_rank(model)
    for more in (
        replace(model, box=model.box + 2),
        replace(model, classes=model.classes + 1),
        replace(model, padding=model.padding + 1),
        replace(model, gradient=True),
        replace(model, bodies=model.bodies + 1),
        replace(model, body_overlaps=model.body_overlaps + 1),
        replace(model, search=replace(model.search, finest=model.search.finest + 100)),
        replace(model, blush=True),
    ):
        assert gpu_memory.bytes_per_rank(more, threads) >= least
        assert gpu_memory.fmi_bytes_per_rank(more) >= gpu_memory.fmi_bytes_per_rank(model)
    if not model.blush:
        assert gpu_memory.bytes_per_rank(model, threads + 1) >= least + 200_000_000


@given(MODELS, st.integers(1, 32), st.integers(0, 200 * 10**9))
def test_ranks_per_gpu_fit_and_one_more_does_not(
    model: Refinement, threads: int, gpu_bytes: int
) -> None:
    card = Card(gpu_bytes, model)
    ranks = card.most_ranks(threads)
    assert ranks is not None
    assert ranks * card.bytes_per_rank(threads, ranks) * 100 <= gpu_bytes * 97
    assert (ranks + 1) * card.bytes_per_rank(threads, ranks + 1) > gpu_bytes * 97 // 100


def test_ranks_are_never_below_the_historic_model_where_that_is_safe() -> None:
    """Safe: that many ranks of it fit into the card by what RELION allocates."""
    grid = itertools.product(
        (64, 128, 200, 256, 320, 400, 512, 640, 800),
        (16, 24, 32, 40, 48, 80, 141),
        (1, 2),
        (1, 3, 6, 50),
        (2, 3),
        (1, 4, 8),
        (False, True),
    )
    safe = more = 0
    for box, gigabytes, pad, classes, ndim, threads, vdam in grid:
        search = Search(30, 30, 21, 2) if ndim == 2 else Search(4608, 36_864, 21)
        model = Refinement(
            box, "", ndim, classes=classes, padding=pad, gradient=vdam, search=search
        )
        card = Card(gigabytes * 2**30, model)
        historic = card._replace(memory_model="fmi").most_ranks(threads)
        ours = card.most_ranks(threads)
        assert historic is not None and ours is not None and card.usable_bytes is not None
        if historic and historic * card.bytes_per_rank(threads, historic) <= card.usable_bytes:
            safe += 1
            more += ours > historic
            assert ours >= historic, (model, gigabytes, threads)
    assert safe > 500
    assert more > 100
