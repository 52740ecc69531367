"""Files and numbers of a refinement that cannot be used are named."""

from pathlib import Path

import pytest

from dispatcher.errors import InputError
from dispatcher.memory.read_refinement import refinement_of

from .refinement_files import OLD_PARTICLES, OPTICS, PARTICLES, options


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, r"p\.star cannot be read"),
        ("", "not a STAR file"),
        (OPTICS.format(box=256, dimensions=2), "holds no particles"),
        (
            OPTICS.format(box=256, dimensions=2) + "data_particles\n\nloop_\n_rlnImageName #1\n",
            "holds no particles",
        ),
        ("data_particles\n\nloop_\n_rlnCoordinateX #1\n10.0\n", "names no images"),
        ("data_micrographs\n\nloop_\n_rlnMicrographName #1\na.mrc\n", "names no images"),
        (OLD_PARTICLES.replace("a.mrcs", "gone.mrcs"), r"gone\.mrcs cannot be read"),
        (OLD_PARTICLES.replace("a.mrcs", "short.mrcs"), r"short\.mrcs has 7 bytes"),
        (OPTICS.format(box="big", dimensions=2) + PARTICLES, "_rlnImageSize in p.star is 'big'"),
        (OPTICS.format(box=0, dimensions=2) + PARTICLES, "_rlnImageSize in p.star is '0'"),
        (OPTICS.format(box=64, dimensions=7) + PARTICLES, "Dimensionality in p.star is '7'"),
    ],
)
def test_particles_that_cannot_be_used_are_named(
    project: Path, text: str | None, says: str
) -> None:
    (project / "Extract/job006/short.mrcs").write_bytes(b"partial")
    if text is not None:
        (project / "p.star").write_text(text)
    with pytest.raises(InputError, match=says):
        refinement_of(options("--i p.star --K 2"), project)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--K many", "--K is 'many'"),
        ("--K 0", "--K is '0'"),
        ("--K 2.5", "--K is '2.5'"),
        ("--pad nan", "not as a whole a number"),
        ("--pad 0", "give 1 or 2"),
        ("--healpix_order -1", "--healpix_order is '-1'"),
    ],
)
def test_numbers_that_relion_could_not_use_are_named(
    project: Path, arguments: str, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        refinement_of(options(f"--i Select/job007/particles.star {arguments}"), project)
