"""Submission scripts that real RELION wrote, and files that they name (``tests/data/corpus``)."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["CORPUS", "copy_job", "fill_project"]

CORPUS = Path(__file__).parent / "data" / "corpus"

PARTICLES = """data_optics

loop_
_rlnOpticsGroup #1
_rlnImageSize #2
           1          {box}


data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
000001@Extract/job006/stack.mrcs            1
"""


def copy_job(name: str, project: Path) -> Path:
    """Copy a job (``relion-5.0.1/Refine3D_job011``) into a project; returns its script."""
    source = CORPUS / name
    folder = project / source.name.replace("_job", "/job")
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder / "run_submit.script"


def fill_project(folder: Path, box: int = 256) -> None:
    """Write the small STAR files that the corpus' refinement jobs read."""
    for name in ("Extract/job006/particles.star", "Select/job007/particles.star"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PARTICLES.format(box=box))
    model = folder / "Refine3D/job011"
    model.mkdir(parents=True, exist_ok=True)
    (model / "run_optimiser.star").write_text(
        "data_optimiser_general\n\n_rlnModelStarFile  Refine3D/job011/run_model.star\n"
        "_rlnDoAutoRefine 1\n_rlnDoSplitRandomHalves 1\n"
    )
    (model / "run_model.star").write_text(
        "data_model_general\n\n_rlnReferenceDimensionality 3\n_rlnDataDimensionality 2\n"
        f"_rlnOriginalImageSize {box}\n_rlnCurrentImageSize {box}\n_rlnPaddingFactor 2.0\n"
        "_rlnNrClasses 1\n_rlnNrBodies 1\n"
    )
    (folder / "bodies.star").write_text(
        "data_\n\nloop_\n_rlnBodyMaskName #1\n_rlnBodyRotateRelativeTo #2\n"
        "mask1.mrc 2\nmask2.mrc 1\nmask3.mrc 1\n"
    )
