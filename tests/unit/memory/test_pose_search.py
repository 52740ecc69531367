"""The widest search of a command is found in its options, and in the files it continues from."""

import math
from pathlib import Path

import pytest

from dispatcher.errors import InputError
from dispatcher.memory import sampling
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.memory.sampling import Search

from .refinement_files import BODIES, MODEL, OPTICS, OPTIMISER, PARTICLES, options

SAMPLING = """
data_sampling_general

_rlnIs3DSampling                                      1
_rlnIs3DTranslationalSampling                         {deep}
_rlnHealpixOrder                                      {order}
_rlnSymmetryGroup                                     C2
_rlnTiltAngleLimit                          -91.00000
_rlnPsiStep                                   7.50000
_rlnOffsetRange                               5.31000
_rlnOffsetStep                                2.12400
"""
CONTINUE = "--continue run_optimiser.star"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "p.star").write_text(OPTICS.format(box=256, dimensions=2) + PARTICLES)
    return tmp_path


def started(project: Path, arguments: str) -> Search:
    return refinement_of(options(f"--i p.star --ref a.mrc {arguments}"), project).search


def continued(
    project: Path,
    arguments: str = "",
    *,
    auto: int = 0,
    order: int = 3,
    deep: int = 0,
    model: str = "",
    optimiser: str = "",
) -> Search:
    """The search of a run continued from an iteration with these values."""
    text = OPTIMISER.format(split=0, gradient=0, auto=auto, zero_mask=1).rstrip()
    text = text.replace("Refine3D/job011/", "") + "\n_rlnOrientSamplingStarFile run_sampling.star\n"
    (project / "run_optimiser.star").write_text(text + optimiser)
    (project / "run_sampling.star").write_text(SAMPLING.format(deep=deep, order=order))
    general = MODEL.format(classes=2, bodies=1).rstrip()
    (project / "run_it012_half1_model.star").write_text(f"{general}\n{model}")
    return refinement_of(options(f"{CONTINUE} {arguments}"), project).search


def test_poses_of_a_3d_search_at_15_degrees() -> None:
    # 12 * 4^2 directions, 24 angles
    assert sampling.orientations(3, 2) == 192 * 24
    assert sampling.orientations(3, 2, 7.5) == 192 * 48
    assert sampling.orientations(3, 2, symmetry="D2") == 48 * 24
    assert sampling.orientations(3, 2, symmetry="I1") == 4 * 24


def test_poses_of_a_2d_search_are_angles_a_multiple_of_32_on_a_gpu() -> None:
    assert sampling.orientations(2, 2, 12) == 32
    assert sampling.orientations(2, 2) == 64  # 36 of 10 degrees
    assert sampling.orientations(2, 2, 5) == 96
    assert sampling.orientations(2, 2, 11.25) == 32
    assert sampling.orientations(3, 2, 10) == 192 * 36


def test_an_auto_refinement_ends_its_global_searches_one_order_before_the_local_ones(
    project: Path,
) -> None:
    assert started(project, "--auto_refine --offset_range 5") == Search(192 * 24, 768 * 48, 21)
    coarse = started(project, "--auto_refine --auto_local_healpix_order 3 --offset_range 5")
    assert coarse == Search(192 * 24, 192 * 24, 21)
    local = started(project, "--auto_refine --healpix_order 4 --offset_range 5")
    # 3 steps of 3.75 degrees each way: a cone of 11.25 degrees, and 7 angles
    cone = math.ceil(3072 * (1 - math.cos(math.radians(11.25))) / 2)
    assert local.first == local.finest == cone * 7


def test_local_searches_cover_three_standard_deviations(project: Path) -> None:
    search = started(project, "--healpix_order 3 --sigma_ang 5")
    cone = math.ceil(768 * (1 - math.cos(math.radians(15))) / 2)  # 14 directions
    assert search.first == search.finest == cone * (48 * 30 // 360 + 1)


def test_skipped_alignment_searches_nothing(project: Path) -> None:
    for option in ("--skip_align", "--skip_rotate"):
        assert started(project, option) == Search()
    assert refinement_of(options("--i p.star --skip_align"), project).skips_alignment


def test_oversampling_and_most_significant_poses_are_taken(project: Path) -> None:
    search = started(project, "--oversampling 2 --maxsig 300")
    assert (search.rotation_factor, search.shift_factor, search.significant) == (64, 16, 300)
    search = started(project, "--oversampling 0")
    assert (search.rotation_factor, search.shift_factor) == (1, 1)


def test_vdam_takes_up_few_significant_poses_by_itself(project: Path) -> None:
    assert started(project, "--grad --K 3").significant == 300
    assert started(project, "--grad --K 3 --maxsig 50").significant == 50
    two = refinement_of(options("--i p.star --K 40 --grad"), project)
    assert two.search.significant == 200


def test_filaments_search_around_ninety_degrees_and_along_their_rise(project: Path) -> None:
    search = started(
        project,
        "--helix --helical_rise_initial 4.75 --sigma_tilt 5 --sigma_psi 3.333333 --sigma_rot 0 "
        "--healpix_order 3 --offset_range 5 --offset_step 2",
    )
    band = math.ceil(768 * math.sin(math.radians(15)))
    angles = math.ceil(48 * 2 * 20 / 360) + 1  # both ways
    assert search.first == band * angles
    # pixels of 1.244 A: half a rise is 1.91 pixels, a third 1.27; then -1, 0 and 1 times that
    assert search.shifts == 5 * 3
    finer = started(project, "--helix --helical_rise_initial 4.75 --helical_offset_step 0.5")
    assert finer.shifts == 7 * 9  # 4 steps of 0.5 A each way
    free = started(project, "--helix --ignore_helical_symmetry --offset_range 5")
    assert free.shifts == 21


def test_continued_run_takes_the_sampling_of_its_iteration(project: Path) -> None:
    # C2, order 3, 2.5 steps each way
    assert continued(project) == Search(384 * 48, 384 * 48, 21)
    assert continued(project, deep=1).shift_factor == 8
    assert continued(project, order=2, auto=1) == Search(96 * 48, 384 * 48, 21)
    assert continued(project, "--maxsig 70").significant == 70
    stored = "_rlnMaximumSignificantPoses 90\n_rlnAdaptiveOversampleOrder 0\n"
    search = continued(project, optimiser=stored)
    assert (search.significant, search.rotation_factor, search.shift_factor) == (90, 1, 1)


def test_options_go_before_the_files_unless_relion_samples_by_itself(project: Path) -> None:
    arguments = "--healpix_order 2 --psi_step 15 --offset_range 3 --offset_step 1"
    assert continued(project, arguments) == Search(96 * 24, 96 * 24, 29)
    assert continued(project, arguments, auto=1) == Search(384 * 48, 384 * 48, 21)


def test_continued_local_search_is_known_by_its_prior(project: Path) -> None:
    prior = "".join(f"_rlnSigmaPrior{name}Angle 3.75\n" for name in ("Rot", "Tilt", "Psi"))
    search = continued(project, order=4, auto=1, model=f"_rlnOrientationalPriorMode 1\n{prior}")
    cone = math.ceil(1536 * (1 - math.cos(math.radians(11.25))) / 2)
    assert search.finest == cone * (math.ceil(48 * 22.5 / 360) + 1)


def test_bodies_search_around_their_last_orientation(project: Path) -> None:
    (project / "bodies.star").write_text(BODIES)
    search = continued(
        project,
        "--multibody_masks bodies.star --healpix_order 4 --offset_range 3 --offset_step 1.5",
        auto=1,
    )
    cone = math.ceil(1536 * (1 - math.cos(math.radians(30))) / 2)  # sigma 10 degrees
    assert (search.finest, search.shifts) == (cone * (math.ceil(48 * 60 / 360) + 1), 13)


def test_sampling_file_that_is_gone_is_named(project: Path) -> None:
    continued(project)
    (project / "run_sampling.star").unlink()
    with pytest.raises(InputError, match=r"run_sampling\.star cannot be read"):
        refinement_of(options(CONTINUE), project)
