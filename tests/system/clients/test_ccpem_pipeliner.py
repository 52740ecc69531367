"""ccpem-pipeliner, as it comes from the package index, with its own job_runner.py.

Its programs are those of a RELION 3.1.3 on the host; the queue is a real Slurm.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ...waiting import wait_for
from ..hook_calls import PYTHON
from ..jobs import REFINE
from ..project import MakeProject
from .ccpem_project import CcpemProject

pytestmark = PYTHON


@pytest.fixture
def make_ccpem_project(make_project: MakeProject) -> Any:
    """Make a project: ``make_ccpem_project(scheduler_options=…)`` has settings for its jobs."""

    def make(**pipeliner: Any) -> CcpemProject:
        project = CcpemProject(**vars(make_project("3", pipeliner=pipeliner)))
        project.begin()
        return project

    return make


def sleeper(project: CcpemProject) -> Path:
    """A program that is there until it is ended, and says that it has begun."""
    program = project.folder / "sleeper"
    program.write_text(f"#!/bin/sh\n: >'{project.folder}/began'\nexec sleep 300\n")
    program.chmod(0o755)
    return program


def test_a_refinement_runs_with_the_ranks_of_the_pipeliners_window(make_ccpem_project: Any) -> None:
    project = make_ccpem_project()
    wanted = {**REFINE, "nr_mpi": 3, "nr_threads": 2, "use_gpu": "No",
              "other_args": '"--auto_iter_max 1"'}  # fmt: skip
    job = project.run_job("relion.refine3d", **wanted)
    before = (job / "job.star").read_bytes()

    project.wait_for_status(job, "Succeeded")

    record = project.record(job)
    assert (record["job_type"], record["nproc"], record["nthread"]) == ("pipeliner", 3, 2)
    assert record["commands"][0]["prefix"] == []
    assert (job / "job.star").read_bytes() == before
    assert list(job.glob("run_it001_half1_class001.mrc"))
    ranks = re.findall(r"Number of MPI processes +=\s*(\d+)", (job / "run.out").read_text())
    assert ranks == ["3"]
    asked = (job / "run_submit.script.run").read_text()
    assert "--ntasks=3\n" in asked and "--cpus-per-task=2\n" in asked


def test_a_job_that_fails(make_ccpem_project: Any) -> None:
    project = make_ccpem_project()
    job = project.run_job("relion.maskcreate", fn_in="particles.star")

    project.wait_for_status(job, "Failed")

    assert "relion-dispatch: The job failed after" in (job / "run.err").read_text()


def test_a_job_that_is_refused(make_ccpem_project: Any) -> None:
    """The Pipeliner shows the hook's status, too."""
    project = make_ccpem_project()
    job = project.run_job("relion.maskcreate", fn_in="reference.mrc", nr_threads=64)

    project.wait_for_status(job, "Failed")

    assert "asks for 1 rank x 64 threads" in (job / "run.err").read_text()
    assert "failed with return code 1" in (job / "pipeliner.out").read_text()


@pytest.mark.parametrize("where", ["pending", "running"])
def test_a_job_that_is_aborted_in_the_pipeliner(where: str, make_ccpem_project: Any) -> None:
    held = {"scheduler_options": ["--hold"]} if where == "pending" else {}
    project = make_ccpem_project(**held)
    program = sleeper(project)
    job = project.run_job("relion.external", fn_exe=program, in_3dref="reference.mrc")
    if where == "running":
        wait_for((project.folder / "began").exists, 60, "the program")

    project.pipeliner("--abort_job", f"External/{job.name}/")
    if where == "pending":
        project.relion_dispatch("watch", "--once")
    project.wait_for_status(job, "Aborted")

    assert (
        "was aborted" in (job / "run.err").read_text()
        or "cancelled" in (job / "run.err").read_text()
    )
    assert (project.folder / "began").exists() == (where == "running")


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_a_job_that_is_killed(signal: str, make_ccpem_project: Any) -> None:
    project = make_ccpem_project()
    program = sleeper(project)
    job = project.run_job("relion.external", fn_exe=program, in_3dref="reference.mrc")
    wait_for((project.folder / "began").exists, 60, "the program")
    number = project.record(job)["job_id"]

    stop = (
        ["scancel", number] if signal == "TERM" else ["scancel", "--signal=KILL", "--full", number]
    )
    subprocess.run(stop, check=True)

    project.wait_for_status(job, "Failed")
    assert "relion-dispatch: " in (job / "run.err").read_text()
