"""RELION's files of a small refinement: what it needs, what a cut leaves, and what there is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import mrcfile
import numpy as np

__all__ = ["iteration", "kinds", "leave_cut", "names", "prepare"]

FEW = 40  # particles
BOX = 32  # pixels


def prepare(folder: Path, particles: Path) -> None:
    """A project with few of the particles, and two bodies of the reference."""
    for file in ("reference.mrc", "particles.mrcs"):
        shutil.copy(particles / file, folder)
    lines = (particles / "particles.star").read_text().splitlines(keepends=True)
    rows = [at for at, line in enumerate(lines) if "@" in line]
    (folder / "few.star").write_text("".join(lines[: rows[FEW]] + lines[rows[-1] + 1 :]))
    z, y, x = np.indices((BOX, BOX, BOX)) - (BOX - 1) / 2
    ball = np.clip((13 - np.sqrt(x**2 + y**2 + z**2)) / 3, 0, 1)
    upper = np.clip(z / 2 + 1, 0, 1)
    for name, part in (("upper", upper), ("lower", 1.2 - upper)):
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data((ball * np.clip(part, 0, 1)).astype(np.float32))
            file.voxel_size = 4.0
    labels = ("BodyMaskName", "BodyRotateRelativeTo", "BodySigmaAngles", "BodySigmaOffset")
    head = "".join(f"_rln{label} #{at}\n" for at, label in enumerate(labels, 1))
    (folder / "bodies.star").write_text(
        f"\ndata_\n\nloop_\n{head}upper.mrc 2 10 2\nlower.mrc 1 10 2\n\n"
    )


def leave_cut(job: Path, after: int) -> None:
    """Leave of a finished refinement what a kill leaves while an iteration is written."""
    iterations = sorted({at for name in names(job) if (at := iteration(name)) is not None})
    cut_short = iterations[iterations.index(after) + 1]
    for name in names(job):
        from_the_beginning = name.endswith(("_mask.mrc", "run_bodies.bild"))
        if cut_short < at if (at := iteration(name)) is not None else not from_the_beginning:
            (job / name).unlink()
    (data,) = job.glob(f"run_it{cut_short:03}_data.star")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])


def names(job: Path) -> set[str]:
    """The names of RELION's files of a job."""
    files = (file.name for file in job.iterdir() if file.is_file())
    return {name for name in files if name.startswith("run_") and "submit" not in name}


def kinds(job: Path) -> set[str]:
    """The names of RELION's files of a job, as of one iteration: run_it_data.star."""
    return {re.sub(r"^run_it\d+_", "run_it_", name) for name in names(job)}


def iteration(name: str) -> int | None:
    """12 for run_it012_data.star, None for run_data.star."""
    found = re.match(r"run_it(\d+)_", name)
    return int(found[1]) if found else None
