"""Three small movies, and what RELION makes of them up to where particles are polished."""

from __future__ import annotations

import os
import subprocess
from itertools import cycle
from pathlib import Path

import mrcfile
import numpy as np

from dispatcher.relion import star

__all__ = ["SHELL", "prepare"]

SHELL = "/bin/sh"  # RELION_SHELL; RELION 3.1 would start CTFFIND4 by csh

NAMES = ("mic1", "mic2", "mic3")
SIZE = 512  # pixels; RELION's power spectra have as many
FRAMES = 4
PIXEL_SIZE = 4.0  # Å
BOX = 32  # pixels
CENTRES = [(x, y) for y in (80, 240, 400) for x in (80, 240, 400)]  # of the particles, pixels

# Stands in for CTFFIND4, which no image has: it knows the defocus at once. What it writes is laid
# out as that of CTFFIND 4.1.14.
CTFFIND = """#!/bin/bash
read -r micrograph && read -r spectrum && read -r pixel || exit 1
cp "$micrograph" "$spectrum"
results=${spectrum%.*}.txt
cat >"$results" <<END
# Output from CTFFind version 4.1.14, run on 2020-01-01 00:00:00
# Input file: $micrograph ; Number of micrographs: 1
# Pixel size: $pixel Angstroms ; acceleration voltage: 300.0 keV ; \
spherical aberration: 2.70 mm ; amplitude contrast: 0.10
# Box size: 512 pixels ; min. res.: 30.0 Angstroms ; max. res.: 8.0 Angstroms
# Columns: #1 - micrograph number; #2 - defocus 1 [Angstroms]; #3 - defocus 2; #4 - azimuth
1.000000 10000.000000 9900.000000 45.000000 0.000000 0.100000 9.000000
END
echo "Summary of results: $results"
"""


def prepare(folder: Path, particles: Path, image: Path) -> None:
    """A project with movies of some of the particles, and the jobs 101 to 104 on these."""
    views = mrcfile.read(particles / "particles.mrcs")[: len(NAMES) * len(CENTRES)]
    _write_movies(folder, views)
    _write_coordinates(folder)
    (folder / "ctffind").write_text(CTFFIND)
    (folder / "ctffind").chmod(0o755)
    _run(
        folder, image,
        "relion_run_motioncorr --i movies.star --o MotionCorr/job101/ --use_own --j 1 "
        "--bin_factor 1 --bfactor 150 --dose_per_frame 1 --patch_x 1 --patch_y 1 "
        "--dose_weighting --grouping_for_ps 4",
        "relion_run_ctffind --i MotionCorr/job101/corrected_micrographs.star "
        "--o CtfFind/job102/ --Box 512 --ResMin 30 --ResMax 8 --dFMin 5000 --dFMax 50000 "
        f"--FStep 500 --dAst 100 --ctffind_exe {folder}/ctffind --ctfWin -1 --is_ctffind4 "
        "--fast_search --use_given_ps",
        "relion_preprocess --i CtfFind/job102/micrographs_ctf.star --coord_dir Coords/ "
        "--coord_suffix _pick.star --part_star Extract/job103/particles.star "
        f"--part_dir Extract/job103/ --extract --extract_size {BOX} --norm --bg_radius 13",
    )  # fmt: skip
    _write_refined(folder, particles / "particles.star")
    _write_half_maps(folder, particles / "reference.mrc")
    _run(
        folder, image,
        "relion_postprocess --i half1_unfil.mrc --i2 half2_unfil.mrc --mask mask.mrc "
        f"--o PostProcess/job104/postprocess --angpix {PIXEL_SIZE}",
    )  # fmt: skip


def _run(folder: Path, image: Path, *commands: str) -> None:
    """Run programs of RELION; RELION's window makes the folders of their jobs."""
    for job in ("MotionCorr/job101", "CtfFind/job102", "Extract/job103", "PostProcess/job104"):
        (folder / job).mkdir(parents=True, exist_ok=True)
    container = [os.environ["RELION_TEST_APPTAINER"], "-q", "exec", f"--bind={folder}"]
    for command in commands:
        done = subprocess.run(
            [*container, f"--pwd={folder}", image, *command.split()],
            cwd=folder,
            env={**os.environ, "APPTAINERENV_RELION_SHELL": SHELL},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def _write_movies(folder: Path, views: np.ndarray) -> None:
    """Each frame has a part of each particle, in noise."""
    random = np.random.default_rng(1)
    (folder / "Movies").mkdir()
    of_movies = views.reshape(len(NAMES), len(CENTRES), BOX, BOX)
    for name, of_movie in zip(NAMES, of_movies, strict=True):
        ice = np.zeros((SIZE, SIZE), np.float32)
        for (x, y), view in zip(CENTRES, of_movie, strict=True):
            ice[y - BOX // 2 : y + BOX // 2, x - BOX // 2 : x + BOX // 2] = view
        # Weak enough that no pixel is a hot one: RELION would draw another value for it.
        frames = ice / FRAMES / 3 + random.normal(10, 1, (FRAMES, SIZE, SIZE))
        with mrcfile.new(folder / "Movies" / f"{name}.mrcs") as file:
            file.set_data(frames.astype(np.float32))
            file.set_image_stack()
            file.voxel_size = PIXEL_SIZE
    optics = {
        "OpticsGroupName": "opticsGroup1", "OpticsGroup": 1,
        "MicrographOriginalPixelSize": PIXEL_SIZE, "Voltage": 300, "SphericalAberration": 2.7,
        "AmplitudeContrast": 0.1,
    }  # fmt: skip
    movies = [{"MicrographMovieName": f"Movies/{name}.mrcs", "OpticsGroup": 1} for name in NAMES]
    (folder / "movies.star").write_text(_table("optics", [optics]) + _table("movies", movies))


def _write_coordinates(folder: Path) -> None:
    """As a picker leaves them, with the file that RELION 3.1's window names."""
    (folder / "Coords" / "Movies").mkdir(parents=True)
    (folder / "Coords" / "coords_suffix_pick.star").write_text("movies.star\n")
    table = _table("", [{"CoordinateX": x, "CoordinateY": y} for x, y in CENTRES])
    for name in NAMES:
        (folder / "Coords" / "Movies" / f"{name}_pick.star").write_text(table)


def _write_refined(folder: Path, projected: Path) -> None:
    """The extracted particles with the angles from which they were projected, as if refined."""
    angles = ("AngleRot", "AngleTilt", "AnglePsi")
    columns = [star.column(projected, f"_rln{angle}", "particles") for angle in angles]
    orientations = zip(*columns, strict=True)
    half_sets = cycle("12")
    extracted = (folder / "Extract" / "job103" / "particles.star").read_text().splitlines()
    last = max(at for at, line in enumerate(extracted) if line.startswith("_rln"))
    more = (*angles, "OriginXAngst", "OriginYAngst", "RandomSubset", "NormCorrection")
    first = int(extracted[last].rpartition("#")[2]) + 1
    labels = [f"_rln{label} #{number}" for number, label in enumerate(more, first)]
    lines = [
        " ".join((line, *next(orientations), "0", "0", next(half_sets), "1"))
        if "@" in line
        else line
        for line in extracted
    ]
    lines[last + 1 : last + 1] = labels
    (folder / "refined.star").write_text("\n".join(lines) + "\n")


def _write_half_maps(folder: Path, reference: Path) -> None:
    """The reference with other noise in each half set, and a mask."""
    random = np.random.default_rng(2)
    density = mrcfile.read(reference)
    z, y, x = np.indices(density.shape) - (BOX - 1) / 2
    maps = {f"half{half}_unfil": density + random.normal(0, 0.1, density.shape) for half in (1, 2)}
    maps["mask"] = np.clip((13 - np.sqrt(x**2 + y**2 + z**2)) / 3, 0, 1)
    for name, values in maps.items():
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(values.astype(np.float32))
            file.voxel_size = PIXEL_SIZE


def _table(name: str, rows: list[dict[str, object]]) -> str:
    """A table of a STAR file."""
    labels = "".join(f"_rln{label} #{at}\n" for at, label in enumerate(rows[0], 1))
    values = "".join(" ".join(map(str, row.values())) + "\n" for row in rows)
    return f"\ndata_{name}\n\nloop_\n{labels}{values}\n"
