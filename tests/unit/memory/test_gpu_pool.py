"""The pool, per thread: 24 bytes a coarse pose; 52 a fine one, and 64 before RELION 5.

Expected values are worked out from the sizes of RELION's arrays, not by the code under test.
"""

from dataclasses import replace

from dispatcher.config.gpu_constants import HardwareConstants
from dispatcher.memory import gpu_pool
from dispatcher.memory.gpu_pool import pool_bytes
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.sampling import Search

REFINE = Refinement(box=256, source="particles.star", auto_refine=True)
CLASS2D = Refinement(box=256, source="particles.star", dimensions=2, classes=200)
IMAGES = (2 * 1 + 1) * 256 * 129 * 4
ROOM = HardwareConstants(pool_floor=0, pool_per_thread=0)


def test_of_issue_769() -> None:
    """34,855 significant orientations of 36,864, 45 x 4 shifts: 16 bytes each = 803,059,200.

    RELION 5 has those 16 bytes for four poses.
    """
    model = replace(REFINE, search=Search(36_864, 36_864, 45))
    older = gpu_pool.fine_bytes(model, 34_855, (3, 1))
    assert older - gpu_pool.fine_bytes(model, 34_855, (5, 0)) == 803_059_200 * 3 // 4
    assert gpu_pool.fine_bytes(model, 34_855) == older  # a version not known is an old one
    assert gpu_pool.fine_bytes(model, 34_855, (4, 0)) == older


def test_two_threads_may_be_at_their_worst() -> None:
    model = replace(REFINE, search=Search(192 * 24, 768 * 48, 21))
    usual = 52 * 2304 * 8 * 21 * 4 + 44 * 2304 * 8  # half of those of the first iteration
    worst = 52 * 36_864 * 8 * 21 * 4 + 44 * 36_864 * 8
    pool = pool_bytes(model, 1, ROOM, (5, 0))
    assert pool == worst + IMAGES
    pool = pool_bytes(model, 4, ROOM, (5, 0))
    assert pool == 2 * worst + 2 * usual + 4 * IMAGES
    usual += 12 * 2304 * 8 * 84
    worst += 12 * 36_864 * 8 * 84
    pool = pool_bytes(model, 4, ROOM, (4, 0))
    assert pool == 2 * worst + 2 * usual + 4 * IMAGES


def test_a_particle_of_several_tilts_has_the_euler_matrices_of_each_in_the_first_pass() -> None:
    model = replace(REFINE, tilts=41, search=Search(4608, 36_864, 7, shift_factor=8))
    one = replace(model, tilts=1)
    assert gpu_pool.coarse_bytes(model) == (24 * 7 + 44 * 41) * 36_864
    assert gpu_pool.fine_bytes(model, 4608, (5, 0)) == gpu_pool.fine_bytes(one, 4608, (5, 0))


def test_most_significant_poses_cap_the_fine_pass_only() -> None:
    model = replace(REFINE, search=Search(4608, 36_864, 21, significant=500))
    coarse = 24 * 36_864 * 21 + 44 * 36_864
    assert gpu_pool.fine_bytes(model, 36_864, (5, 0)) == 52 * 500 * 8 * 84 + 44 * 500 * 8
    assert pool_bytes(model, 2, ROOM, (5, 0)) == 2 * (coarse + IMAGES)


def test_all_classes_are_searched() -> None:
    model = replace(REFINE, classes=4, search=Search(4608, 4608, 21))
    fine = 4 * (52 * 4608 * 8 * 84 + 44 * 4608 * 8)
    images = 9 * 256 * 129 * 4
    assert pool_bytes(model, 3, ROOM, (5, 1)) == 2 * fine + fine // 2 + 3 * images
    wary = replace(ROOM, significant_percent=100)
    assert pool_bytes(model, 3, wary, (5, 1)) == 3 * (fine + images)


def test_sums_over_200_classes_take_53_mb_of_a_thread() -> None:
    assert gpu_pool.image_bytes(CLASS2D) == 401 * 256 * 129 * 4 == 52_970_496


def test_subtomograms_have_volumes_where_others_have_images() -> None:
    volumes = replace(REFINE, box=96, data_dimensions=3)
    assert gpu_pool.image_bytes(volumes) == 12 * 96 * 96 * 49 * 4
    assert gpu_pool.image_bytes(replace(volumes, data_dimensions=2)) == 3 * 96 * 49 * 4


def test_images_of_another_optics_group_may_be_larger() -> None:
    assert gpu_pool.image_bytes(replace(REFINE, image_box=512)) == 3 * 512 * 257 * 4


def test_without_oversampling_there_is_one_pass() -> None:
    one = Search(4608, 4608, 21, rotation_factor=1, shift_factor=1)
    assert gpu_pool.fine_bytes(replace(REFINE, search=one), 4608) == 0


def test_floor_and_allowance() -> None:
    assert pool_bytes(REFINE, 4) == 500_000_000
    assert pool_bytes(REFINE, 6) == 6 * (100_000_000 + IMAGES)
