"""Sizes that decide memory are those of files which real RELION writes."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import mrcfile
import numpy
import pytest

from dispatcher.memory.image_header import image_header
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.relion import star
from dispatcher.relion.command import parse_command
from dispatcher.relion.version import major_minor

TILTS = range(-20, 21, 10)  # degrees


def run(image: Path, folder: Path, line: str) -> None:
    container = [os.environ["RELION_TEST_APPTAINER"], "exec", "--bind", folder, image]
    done = subprocess.run(
        [*container, *shlex.split(line)], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def write_map(path: Path, data: numpy.ndarray, pixel_size: float) -> None:
    with mrcfile.new(path) as file:
        file.set_data(data.astype("float32"))
        file.voxel_size = pixel_size


@pytest.mark.parametrize(("major", "keeps"), [("3", "reference"), ("5", "particles")])
def test_a_trusted_reference_has_the_size_that_this_version_gives_it(
    tmp_path: Path,
    particles: Path,
    images: dict[str, Path],
    versions: dict[str, str],
    major: str,
    keeps: str,
) -> None:
    for file in particles.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with mrcfile.open(tmp_path / "reference.mrc") as file:
        small, pixel_size = file.data.copy(), float(file.voxel_size.x)
    write_map(tmp_path / "large.mrc", numpy.pad(small, 8), pixel_size)
    (tmp_path / "Class3D").mkdir()
    line = (
        "relion_refine --i particles.star --o Class3D/run --iter 1 --pad 1 --ini_high 40 --K 1 "
        "--particle_diameter 100 --healpix_order 1 --ref large.mrc --trust_ref_size --j 2"
    )

    run(images[major], tmp_path, line)

    model = star.read_block(tmp_path / "Class3D/run_it001_model.star", "model_general", rows=1)
    found = refinement_of(
        parse_command(line), tmp_path, relion_version=major_minor(versions[major])
    )
    assert found.box == int(model.first("_rlnOriginalImageSize") or 0)
    assert found.box == len(small) + (16 if keeps == "reference" else 0)


@pytest.fixture
def tomogram(tmp_path: Path) -> Path:
    """A project with a tomogram of noise, its tilt series, and two places in it."""
    noise = numpy.random.default_rng(1)
    rows = []
    for number, angle in enumerate(TILTS):
        write_map(tmp_path / f"tilt{number}.mrc", noise.normal(size=(256, 256)), 4)
        rows.append(f"tilt{number}.mrc 0 {angle} 0 0 0 20000 20000 0 {3 * number} 1 {angle}")
    write_map(tmp_path / "tomogram.mrc", noise.normal(size=(96, 128, 128)), 8)
    _write_star(
        tmp_path / "tilts.star",
        "TS_01",
        "MicrographName TomoXTilt TomoYTilt TomoZRot TomoXShiftAngst TomoYShiftAngst DefocusU "
        "DefocusV DefocusAngle MicrographPreExposure CtfScalefactor TomoNominalStageTiltAngle",
        rows,
    )
    _write_star(
        tmp_path / "tomograms.star",
        "global",
        "TomoName Voltage SphericalAberration AmplitudeContrast MicrographOriginalPixelSize "
        "TomoHand OpticsGroupName TomoTiltSeriesPixelSize TomoTiltSeriesStarFile "
        "TomoTomogramBinning TomoSizeX TomoSizeY TomoSizeZ TomoReconstructedTomogram",
        ["TS_01 300 2.7 0.1 4 -1 og1 4 tilts.star 2 256 256 192 tomogram.mrc"],
    )
    _write_star(
        tmp_path / "particles.star",
        "particles",
        "TomoName CoordinateX CoordinateY CoordinateZ",
        ["TS_01 128 128 96", "TS_01 140 120 90"],
    )
    return tmp_path


def _write_star(path: Path, table: str, labels: str, rows: list[str]) -> None:
    names = "".join(f"_rln{label} #{n}\n" for n, label in enumerate(labels.split(), 1))
    path.write_text(f"data_{table}\n\nloop_\n{names}" + "".join(f"{row}\n" for row in rows) + "\n")


@pytest.mark.parametrize(
    ("options", "dimensions", "tilts", "sections"),
    [
        ("", 3, 1, 1),
        ("--stack2d", 2, len(TILTS), len(TILTS)),
        ("--real_subtomo", 3, 1, 1),
        ("--real_subtomo --stack2d", 2, len(TILTS), 32),
    ],
)
def test_subtomograms_have_the_voxels_of_their_files(
    tomogram: Path,
    images: dict[str, Path],
    options: str,
    dimensions: int,
    tilts: int,
    sections: int,
) -> None:
    run(
        images["5"],
        tomogram,
        "relion_tomo_subtomo --p particles.star --t tomograms.star --b 64 --crop 32 --bin 2 --j 1 "
        f"--o Extract/ {options}",
    )

    line = "relion_refine --ios Extract/optimisation_set.star --ref reference.mrc --auto_refine"
    found = refinement_of(parse_command(line), tomogram)

    assert (found.box, found.data_dimensions) == (32, dimensions)
    assert (found.tilts, found.sections) == (tilts, sections)
    written = star.read_block(tomogram / "Extract/particles.star", "particles")
    header = image_header(tomogram / written.column("_rlnImageName")[0])
    assert found.pixels == header.nx * header.ny * header.nz
