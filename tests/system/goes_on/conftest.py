"""How a job goes on is the matter of its script, and of RELION."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import ON_PREEMPTING_SLURM
from ..project import ROOT, Project
from .cut_refinement import CutRefinement, outputs_of


@pytest.fixture
def form() -> str:
    """Whatever form the dispatcher has."""
    return "python"


@pytest.fixture(scope="session")
def particles(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with so many particles that an iteration takes some seconds."""
    folder = tmp_path_factory.mktemp("particles")
    program = ROOT / "deploy" / "demo_particles.py"
    subprocess.run([sys.executable, program, folder, images["5"], "--particles", "400"], check=True)
    return folder


@pytest.fixture(scope="session")
def uncut(
    images: dict[str, Path], particles: Path, tmp_path_factory: pytest.TempPathFactory
) -> set[str]:
    """The names of what the same refinement leaves that nobody cuts (`outputs_of`)."""
    folder = tmp_path_factory.mktemp("uncut")
    for name in ("particles.star", "particles.mrcs", "reference.mrc"):
        (folder / name).write_bytes((particles / name).read_bytes())
    (folder / "job").mkdir()
    container = [os.environ["RELION_TEST_APPTAINER"], "exec", "--bind", folder, images["5"]]
    refine = (
        "mpirun -n 3 --oversubscribe --bind-to none relion_refine_mpi --o job/run --auto_refine "
        "--split_random_halves --i particles.star --ref reference.mrc --ini_high 30 --pool 3 "
        "--dont_combine_weights_via_disc --particle_diameter 110 --flatten_solvent --zero_mask "
        "--oversampling 1 --healpix_order 1 --auto_local_healpix_order 2 --offset_range 5 "
        "--offset_step 2 --low_resol_join_halves 40 --norm --scale --random_seed 1 --j 1"
    )
    done = subprocess.run(
        [*container, *refine.split()], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return outputs_of(folder / "job")


@pytest.fixture
def preempting_slurm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster with partitions of different priority."""
    assert str(request.path).endswith(ON_PREEMPTING_SLURM), "name the file there"
    conf = Path(os.environ["RELION_TEST_CLUSTERS"], "preempting", "slurm.conf")
    monkeypatch.setenv("SLURM_CONF", str(conf))


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts a refinement, and ends what a test that failed leaves of it."""
    all_started: list[CutRefinement] = []

    def start(project: Project, *also_after: str, **goes_on: int) -> CutRefinement:
        all_started.append(CutRefinement.started(project, *also_after, **goes_on))
        return all_started[-1]

    yield start
    for refinement in all_started:
        refinement.kill()
