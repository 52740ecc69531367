"""Bytes per rank follow RELION's allocations; expected values are worked out by hand."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import gpu_memory, sampling
from dispatcher.refinement import RefinementModel

REFINE = RefinementModel(box=256, source="particles.star", auto_refine=True)
CLASS2D = RefinementModel(box=256, source="particles.star", dimensions=2, classes=200)
INITIAL = RefinementModel(box=256, source="particles.star", padding=1, gradient=True)

BOXES = st.integers(2, 1200)
MODELS = st.builds(
    RefinementModel,
    box=BOXES,
    source=st.just("particles.star"),
    dimensions=st.sampled_from([2, 3]),
    classes=st.integers(1, 50),
    padding=st.sampled_from([1, 1.5, 2, 3]),
    gradient=st.booleans(),
    coarse_samples=st.integers(0, 10**7),
    zero_mask=st.booleans(),
)


@pytest.mark.parametrize(
    ("box", "pad", "dimensions", "size"),
    [
        (128, 2, 3, 259 * 259 * 130),
        (256, 2, 3, 515 * 515 * 258),
        (256, 1, 3, 259 * 259 * 130),
        (400, 2, 3, 803 * 803 * 402),
        (800, 2, 3, 1603 * 1603 * 802),
        (256, 2, 2, 515 * 258),
        (255, 2, 3, 511 * 511 * 256),  # 255 / 2 = 127, then 2 * (254 + 1) + 1
        (100, 1.5, 3, 153 * 153 * 77),
        (101, 1.25, 2, 129 * 65),  # 1.25 * 50 = 62.5 is rounded up: 2 * (63 + 1) + 1
    ],
)
def test_transform_has_the_size_of_projector_initialise_data(
    box: int, pad: float, dimensions: int, size: int
) -> None:
    assert gpu_memory.transform_size(box, box, pad, dimensions) == size
    assert gpu_memory.transform_size(box, 0, pad, dimensions) == size


def test_current_size_shrinks_the_transform_and_never_exceeds_the_box() -> None:
    assert gpu_memory.transform_size(256, 128, 2, 3) == 259 * 259 * 130
    assert gpu_memory.transform_size(256, 512, 2, 3) == 515 * 515 * 258


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


def test_bytes_per_rank_add_up() -> None:
    # context 0.5 GB, 1.05 x 20V, 4 x 200 MB, pool of 0.5 GB
    assert gpu_memory.bytes_per_rank(REFINE, threads=4) == (
        500_000_000 + 1_436_989_050 + 800_000_000 + 500_000_000
    )


def test_margin_is_rounded_up_to_a_whole_byte() -> None:
    odd = RefinementModel(box=2, source="", dimensions=2, padding=1)  # 5 * 3 values, 300 bytes
    assert gpu_memory.fixed_bytes_per_rank(odd) == 300
    assert gpu_memory.bytes_per_rank(odd, 1) == 1_200_000_000 + 315
    tight = gpu_memory.HardwareConstants(context=0, margin_percent=101, pool_floor=0)
    assert gpu_memory.bytes_per_rank(replace(odd, box=4), 1, 0, tight) == (
        200_000_000 + 100_000_000 + math.ceil(7 * 4 * 20 * 1.01)
    )


def test_pool_grows_with_threads_and_poses() -> None:
    assert gpu_memory.pool_bytes(REFINE, 5) == 500_000_000
    assert gpu_memory.pool_bytes(REFINE, 6) == 600_000_000
    assert gpu_memory.pool_bytes(replace(REFINE, coarse_samples=10**6), 6) == 6 * 124_000_000


def test_memory_left_free_is_per_rank_and_in_megabytes() -> None:
    plain = gpu_memory.bytes_per_rank(REFINE, 4)
    assert gpu_memory.bytes_per_rank(REFINE, 4, free_gpu_memory=800) == plain + 800_000_000
    assert gpu_memory.bytes_per_rank(REFINE, 4, free_gpu_memory=0.5) == plain + 500_000


def test_mask_filled_with_noise_leaves_100_mb_free() -> None:
    noisy = replace(REFINE, zero_mask=False)
    assert gpu_memory.bytes_per_rank(noisy, 4) == gpu_memory.bytes_per_rank(REFINE, 4) + 10**8


def test_ranks_per_gpu_fill_97_percent_of_the_card() -> None:
    per_rank = gpu_memory.bytes_per_rank(REFINE, 4)
    exactly_three = math.ceil(3 * per_rank / 0.97)
    assert gpu_memory.ranks_per_gpu(REFINE, exactly_three + 1, 4) == 3
    assert gpu_memory.ranks_per_gpu(REFINE, exactly_three - 2, 4) == 2
    assert gpu_memory.ranks_per_gpu(REFINE, 10**9, 4) == 0


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
def test_historic_formula(model: RefinementModel, gpu_bytes: int, ranks: int) -> None:
    assert gpu_memory.fmi_ranks_per_gpu(model, gpu_bytes) == ranks


def test_historic_formula_is_twice_too_high_at_padding_2_and_eight_times_at_padding_1() -> None:
    large = replace(REFINE, box=800)
    ratio = gpu_memory.fmi_bytes_per_rank(large) / gpu_memory.fixed_bytes_per_rank(large)
    assert ratio == pytest.approx(2.1, abs=0.1)
    large = replace(large, padding=1)
    ratio = gpu_memory.fmi_bytes_per_rank(large) / gpu_memory.fixed_bytes_per_rank(large)
    assert ratio == pytest.approx(8.3, abs=0.3)


def test_poses_of_a_3d_search_at_15_degrees() -> None:
    # 12 * 4^2 directions, 24 angles, 21 shifts within 5 pixels on a 2-pixel grid
    arguments = {"healpix_order": 2, "psi_step": -1, "offset_range": 5, "offset_step": 2}
    assert sampling.coarse_samples(REFINE.classes, 3, **arguments) == 192 * 24 * 21
    assert sampling.coarse_samples(4, 3, **arguments) == 4 * 192 * 24 * 21
    assert sampling.coarse_samples(REFINE.classes, 3, **arguments, symmetry="D2") == 48 * 24 * 21
    assert sampling.coarse_samples(REFINE.classes, 3, **arguments, symmetry="I1") == 4 * 24 * 21


def test_poses_of_a_2d_search_are_angles_times_shifts() -> None:
    two = replace(CLASS2D, classes=50)
    assert sampling.coarse_samples(two.classes, 2, 2, 12, 5, 2) == 50 * 30 * 21
    assert sampling.coarse_samples(two.classes, 2, 2, -1, 5, 2) == 50 * 36 * 21


@given(st.integers(0, 12), st.sampled_from([0.5, 1, 1.5, 2, 3]), st.booleans())
def test_shifts_are_the_grid_points_within_reach(reach: int, step: float, deep: bool) -> None:
    grid = [n * step for n in range(-30, 31) if abs(n * step) <= reach]
    inside = sum(
        x * x + y * y + z * z <= reach * reach
        for x, y, z in itertools.product(grid, grid, grid if deep else [0.0])
    )
    poses = sampling.coarse_samples(1, 2, 2, 360, reach, step, "C1", deep)
    assert poses == inside


@pytest.mark.parametrize(
    ("group", "order"),
    [("C1", 1), ("c4", 4), ("D2", 4), ("d7", 14), ("T", 12), ("O", 24), ("I1", 60), ("I", 60),
     ("C", 1), ("odd one", 1), ("C0", 1)],
)  # fmt: skip
def test_symmetry_order(group: str, order: int) -> None:
    assert sampling.symmetry_order(group) == order


@given(MODELS, st.integers(1, 32))
def test_more_never_takes_less(model: RefinementModel, threads: int) -> None:
    least = gpu_memory.bytes_per_rank(model, threads)
    assert least > gpu_memory.fixed_bytes_per_rank(model)
    for more in (
        replace(model, box=model.box + 2),
        replace(model, classes=model.classes + 1),
        replace(model, padding=model.padding + 1),
        replace(model, gradient=True),
    ):
        assert gpu_memory.bytes_per_rank(more, threads) >= least
        assert gpu_memory.fmi_bytes_per_rank(more) >= gpu_memory.fmi_bytes_per_rank(model)
    assert gpu_memory.bytes_per_rank(model, threads + 1) >= least + 200_000_000


@given(MODELS, st.integers(1, 32), st.integers(0, 200 * 10**9))
def test_ranks_per_gpu_fit_and_one_more_does_not(
    model: RefinementModel, threads: int, gpu_bytes: int
) -> None:
    ranks = gpu_memory.ranks_per_gpu(model, gpu_bytes, threads)
    per_rank = gpu_memory.bytes_per_rank(model, threads)
    assert ranks * per_rank * 100 <= gpu_bytes * 97
    assert (ranks + 1) * per_rank > gpu_bytes * 97 // 100
