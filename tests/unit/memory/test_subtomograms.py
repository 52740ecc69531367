"""Subtomograms: 2D stacks of tilt series (RELION 5), pseudo-subtomograms, real ones (5.1)."""

from __future__ import annotations

from pathlib import Path

from dispatcher.memory import gpu_pool
from dispatcher.memory.host_memory import Particles, host_memory
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.memory.refinement import Refinement
from dispatcher.memory.tilt_series import USUAL

from .refinement_files import MODEL, OPTICS, OPTIMISER, mrc, options

STACKS = "data_general\n\n_rlnTomoSubTomosAre2DStacks {stacks}\n"
SUBTOMOGRAMS = """
data_particles

loop_
_rlnTomoName #1
_rlnImageName #2
_rlnOpticsGroup #3
_rlnTomoVisibleFrames #4
TS_01 Extract/job010/Subtomograms/TS_01/1_stack2d.mrcs 1 [1,1,0,1,1,1,1]
"""
SAMPLING = """
data_sampling_general

_rlnIs3DSampling 1
_rlnIs3DTranslationalSampling {in_3d}
_rlnHealpixOrder 2
_rlnSymmetryGroup C1
_rlnOffsetRange 5.0
_rlnOffsetStep 2.0
"""


def write(project: Path, dimensions: int, stacks: int, particles: str = SUBTOMOGRAMS) -> None:
    optics = OPTICS.format(box=96, dimensions=dimensions).replace(" 512 ", " 96 ")
    (project / "sub.star").write_text(STACKS.format(stacks=stacks) + optics + particles)


def started(project: Path, arguments: str = "") -> Refinement:
    return refinement_of(options(f"--i sub.star --ref none.mrc --K 2 {arguments}"), project)


def test_a_2d_stack_has_as_many_tilts_as_its_tilt_series(project: Path) -> None:
    write(project, dimensions=2, stacks=1)

    found = started(project)

    assert (found.data_dimensions, found.tilts, found.search.shifts_in_3d) == (2, 7, True)
    assert (found.sections, found.pixels) == (7, 96 * 96 * 7)


def test_a_2d_stack_without_visible_tilts_is_counted_by_its_header(project: Path) -> None:
    particles = SUBTOMOGRAMS.replace("_rlnTomoVisibleFrames", "_rlnOther")
    write(project, dimensions=2, stacks=1, particles=particles)
    assert started(project).tilts == USUAL  # there is no such stack

    stack = project / "Extract/job010/Subtomograms/TS_01/1_stack2d.mrcs"
    stack.parent.mkdir(parents=True)
    stack.write_bytes(mrc(96, 41))
    assert started(project).tilts == 41


def test_particles_that_are_no_stacks_have_one_image(project: Path) -> None:
    write(project, dimensions=2, stacks=0)
    assert started(project).tilts == 1
    write(project, dimensions=3, stacks=0)
    assert started(project).tilts == 1


# As RELION 5.1.0 writes them for `relion_tomo_subtomo --real_subtomo`.
REAL = """
data_particles

loop_
_rlnTomoName #1
_rlnOpticsGroup #2
_rlnTomoParticleName #3
_rlnImageName #4
_rlnCtfImage #5
TS_01 1 TS_01/1 Extract/job010/Subtomograms/TS_01/1_subtomo.mrc Extract/1_ctf.mrc
"""


def test_real_subtomograms_are_volumes_on_the_gpu_and_in_host_memory(project: Path) -> None:
    write(project, dimensions=3, stacks=0, particles=REAL)

    found = started(project)

    assert (found.box, found.data_dimensions, found.tilts) == (96, 3, 1)
    assert gpu_pool.image_bytes(found) == (2 * 2 + 10) * 96 * 96 * 49 * 4
    assert held_by_a_thread(found) == 48 * 96**3
    preread = host_memory(found, 5, Particles(1000, "every rank")).preread
    assert preread == 5 * 1000 * 4 * 96**3


def test_real_subtomograms_that_are_called_2d_stacks_are_volumes_in_host_memory(
    project: Path,
) -> None:
    """RELION's window gives --stack2d by default: 5.1.0 then writes volumes, and calls them so."""
    particles = SUBTOMOGRAMS.replace("1_stack2d.mrcs", "1_subtomo.mrc")
    write(project, dimensions=2, stacks=1, particles=particles)
    volume = project / "Extract/job010/Subtomograms/TS_01/1_subtomo.mrc"
    volume.parent.mkdir(parents=True)
    volume.write_bytes(mrc(96, 96))

    found = started(project)

    assert (found.data_dimensions, found.tilts, found.sections) == (2, 7, 96)
    assert held_by_a_thread(found) == 48 * 96**3
    assert host_memory(found, 5, Particles(10, "leader")).preread == 10 * 4 * 96**3


def held_by_a_thread(refinement: Refinement) -> int:
    two = host_memory(refinement, 5, threads=2).per_follower
    return two - host_memory(refinement, 5, threads=1).per_follower


def test_images_in_2d_are_too_small_to_count_for_each_thread() -> None:
    assert held_by_a_thread(Refinement(box=256, source="")) == 0


def test_a_continued_run_of_2d_stacks_has_the_tilts_of_its_particles(project: Path) -> None:
    write(project, dimensions=2, stacks=1)
    folder = project / "Refine3D/job011"
    state = OPTIMISER.format(split=1, gradient=0, auto=1, zero_mask=1).rstrip()
    state += (
        "\n_rlnOrientSamplingStarFile Refine3D/job011/sampling.star"
        "\n_rlnExperimentalDataStarFile sub.star\n"
    )
    (folder / "run_optimiser.star").write_text(state)
    (folder / "run_it012_half1_model.star").write_text(MODEL.format(classes=1, bodies=1))
    command = options("--continue Refine3D/job011/run_optimiser.star")

    (folder / "sampling.star").write_text(SAMPLING.format(in_3d=1))
    assert refinement_of(command, project).tilts == 7
    (folder / "sampling.star").write_text(SAMPLING.format(in_3d=0))
    assert refinement_of(command, project).tilts == 1
    (folder / "sampling.star").write_text(SAMPLING.format(in_3d=1))
    (project / "sub.star").unlink()
    assert refinement_of(command, project).tilts == USUAL


def test_tilts_are_held_in_host_memory_and_read_in_beforehand() -> None:
    stack = Refinement(box=128, source="", tilts=41, sections=41)

    assert held_by_a_thread(stack) == 48 * 128 * 128 * 41
    assert host_memory(stack, 1, Particles(10, "leader")).preread == 10 * 4 * 128 * 128 * 41
