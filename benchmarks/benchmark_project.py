"""A RELION project and a site for the benchmark: particle files of any length, a job for each."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import mrcfile  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.sif_file import write_sif

__all__ = ["BOX", "Job", "clear_job", "make_job", "make_site", "user_environment"]

BOX = 128  # pixels
IMAGES_PER_STACK = 200
REFERENCE = "InitialModel/job009/initial_model.mrc"
CORPUS = Path(__file__).parents[1] / "tests/data/corpus/relion-5.0.1"
# The job of each style, and its particles there. Class2D has no reference: no MRC header is read.
CORPUS_JOBS = {
    "3.1": ("Class2D_job007", "Extract/job006/particles.star"),
    "3.0": ("Refine3D_job011", "Select/job007/particles.star"),
}

OPTICS = {
    "OpticsGroupName": "opticsGroup1",
    "OpticsGroup": "1",
    "MicrographPixelSize": "0.885000",
    "Voltage": "300.000000",
    "SphericalAberration": "1.400000",
    "AmplitudeContrast": "0.100000",
    "ImagePixelSize": "1.770000",
    "ImageSize": str(BOX),
    "ImageDimensionality": "2",
}
# Columns of numbers as an Extract job writes them, and how many digits stand before the point.
NUMBERS = {
    "CoordinateX": 4, "CoordinateY": 4, "AutopickFigureOfMerit": 1, "AngleRot": 3, "AngleTilt": 3,
    "AnglePsi": 3, "OriginXAngst": 1, "OriginYAngst": 1, "DefocusU": 5, "DefocusV": 5,
    "DefocusAngle": 2, "CtfMaxResolution": 1, "CtfFigureOfMerit": 1, "PhaseShift": 1,
}  # fmt: skip
# What a 3.0 file says of each particle, for it has no optics table.
MICROSCOPE = {
    "Voltage": "300.000000",
    "SphericalAberration": "1.400000",
    "AmplitudeContrast": "0.100000",
    "Magnification": "10000.000000",
    "DetectorPixelSize": "1.770000",
}


@dataclass(frozen=True)
class Job:
    """A job of relion_refine in a project; paths are relative to the project.

    ``style``: "3.1" with an optics table and no reference, "3.0" with a reference only.
    ``first_image``: as RELION names it. ``box_source``: the place of the box size that the
    hook records.
    """

    style: str
    particles: int
    folder: Path
    star: Path
    table: str
    first_image: str
    box_source: str

    @property
    def script(self) -> Path:
        """RELION's submission script."""
        return self.folder / "run_submit.script"


def make_job(project: Path, number: int, style: str, particles: int) -> Job:
    """Write a particle file, its first stack, and a job with it that RELION 5.0.1 wrote."""
    corpus_job, corpus_star = CORPUS_JOBS[style]
    kind, _, name = corpus_job.partition("_")
    extract = Path(f"Extract/job{number}")
    folder = Path(f"{kind}/job{number}")
    star = extract / "particles.star"
    (project / extract / "Movies").mkdir(parents=True)
    _write_particles(project / star, style, particles, f"{extract}/Movies")
    stack = f"{extract}/Movies/{_micrograph(0)}.mrcs"
    _write_images(project / stack, (4, BOX, BOX))
    if not (project / REFERENCE).exists():
        (project / REFERENCE).parent.mkdir(parents=True)
        _write_images(project / REFERENCE, (BOX, BOX, BOX))
    (project / folder).mkdir(parents=True)
    for file in (CORPUS / corpus_job).iterdir():
        text = file.read_text().replace(f"{kind}/{name}", str(folder))
        text = text.replace(corpus_star, str(star))
        (project / folder / file.name).write_text(text)
    modern = style == "3.1"
    return Job(
        style=style,
        particles=particles,
        folder=folder,
        star=star,
        table="data_particles" if modern else "data_",
        first_image=f"000001@{stack}",
        box_source=f"{star}, optics group 1" if modern else f"{stack}, MRC header",
    )


def make_site(folder: Path) -> None:
    """A site with an image (not to be started) and ``echo 4711`` for a submit command."""
    folder.mkdir()
    slurm = {"submit_command": ["/bin/echo", "4711"], "job_id": r"^(\d+)",
             "watcher": {"submit_command": ["/bin/echo", "4712"]}}  # fmt: skip
    build = {"variant": "cuda", "path": "relion.sif", "gpu": "nvidia"}
    image = {"default": "5.1.0", "versions": {"5.1.0": [build]}}
    site = {"scheduler": "slurm", "schedulers": {"slurm": slurm}}
    write_sif(folder / "relion.sif")
    (folder / "site.json").write_text(json.dumps(site))
    (folder / "images.json").write_text(json.dumps({"relion": image}))


def clear_job(project: Path, job: Job) -> None:
    """Take away what the hook wrote, or it would keep one more copy with every run."""
    for pattern in ("run_submit.script.run*", "dispatch.json*"):
        for file in (project / job.folder).glob(pattern):
            file.unlink()


def _write_particles(path: Path, style: str, particles: int, images: str) -> None:
    chance = random.Random(0)
    numbers = [
        " ".join(f"{chance.uniform(0, 10**digits):12.6f}" for digits in NUMBERS.values())
        for _ in range(997)
    ]
    modern = style == "3.1"
    same = {"OpticsGroup": "1"} if modern else MICROSCOPE
    with path.open("w") as stream:
        if modern:
            stream.write(_loop("data_optics", OPTICS) + " ".join(OPTICS.values()) + "\n\n")
        labels = [*NUMBERS, *same, "ImageName", "MicrographName"]
        stream.write(_loop("data_particles" if modern else "data_", labels))
        constants = " ".join(f"{value:>12}" for value in same.values())
        for at, row in enumerate(islice(cycle(numbers), particles)):
            stack, image = divmod(at, IMAGES_PER_STACK)
            name = _micrograph(stack)
            places = f"{image + 1:06d}@{images}/{name}.mrcs MotionCorr/job002/Movies/{name}.mrc"
            stream.write(f"{row} {constants} {places}\n")
        stream.write("\n")


def _loop(table: str, labels: Iterable[str]) -> str:
    numbered = "".join(f"_rln{label} #{at}\n" for at, label in enumerate(labels, 1))
    return f"\n# version 30001\n\n{table}\n\nloop_\n{numbered}"


def _micrograph(number: int) -> str:
    return f"FoilHole_{number:06d}_Data_fractions"


def _write_images(path: Path, shape: tuple[int, int, int]) -> None:
    with mrcfile.new_mmap(path, shape=shape, mrc_mode=2, fill=0) as file:
        file.voxel_size = 1.77


def user_environment(folder: Path) -> dict[str, str]:
    """The variables of a user whose home and site are in `folder`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "USER": "benchmark",
        "RELION_DISPATCH_SITE": str(folder / "site"),
        "RELION_DISPATCH_PYTHON": sys.executable,
    }
