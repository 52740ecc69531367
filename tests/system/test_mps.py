"""NVIDIA's real control daemon around a real refinement; only the GPU itself is missing here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .conftest import MakeProject, wait_for
from .test_slurm import REFINE


def mps_processes() -> list[str]:
    found = subprocess.run(
        ["pgrep", "-u", str(os.getuid()), "-a", "-f", "nvidia-cuda-mps-control"],
        capture_output=True,
        text=True,
    )
    return found.stdout.splitlines()


def test_ranks_that_share_a_gpu_run_with_mps_and_nothing_stays(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 1, "nproc": 3})
    project.environment["PATH"] = f"{os.environ['RELION_TEST_MPS']}:{os.environ['PATH']}"
    folders = set(Path("/tmp").glob("relion-mps.*"))
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    assert project.record(job)["mps"] is True
    assert "MPS did not start" not in (job / "run.err").read_text()
    wait_for(lambda: not mps_processes(), 5, "the daemon's end")
    assert set(Path("/tmp").glob("relion-mps.*")) == folders
