"""A project with files of a refinement."""

from pathlib import Path

import pytest

from .refinement_files import BODIES, MODEL, OLD_PARTICLES, OPTICS, OPTIMISER, PARTICLES, mrc


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the files that these tests' refinements name."""
    files: dict[str, str | bytes] = {
        "Select/job007/particles.star": OPTICS.format(box=256, dimensions=2) + PARTICLES,
        "Extract/job006/particles.star": OPTICS.format(box=128, dimensions=2) + PARTICLES,
        "Extract/job006/a.mrcs": mrc(96, 500),
        "InitialModel/job009/initial_model.mrc": mrc(256, 256),
        "Refine3D/job011/run_optimiser.star": OPTIMISER.format(
            split=1, gradient=0, auto=1, zero_mask=1
        ),
        "Refine3D/job011/run_it012_half1_model.star": MODEL.format(classes=1, bodies=1),
        "bodies.star": BODIES,
        "old.star": OLD_PARTICLES,
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path
