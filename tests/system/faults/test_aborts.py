"""RELION's Abort, before the job is submitted, while it waits, and while it runs."""

from __future__ import annotations

import subprocess
import time

import pytest

from ..hook_calls import change_scheduler, refining, start_hook
from ..jobs import mark_running, mask_job
from ..project import MakeProject
from .conftest import Watched

ABORT = "RELION_JOB_ABORT_NOW"


def test_before_it_is_submitted(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5")
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()
    (job / ABORT).touch()

    hook = start_hook(project, job)

    assert hook.wait(60) == 0
    says = "aborted in RELION before it was submitted"
    fault = "abort before it is submitted"
    seen = sees(fault, project, job, since=began, end="Aborted", says=says)
    assert seen.recorded == "no job"


def test_while_it_waits(make_project: MakeProject, sees: Watched) -> None:
    """Without `watch`, which would end it at once: it ends as soon as it is its turn."""
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", "--hold"])
    job = mask_job(project)
    mark_running(project, job)
    assert start_hook(project, job).wait(60) == 0
    (job / ABORT).touch()

    began = time.time()
    subprocess.run(["scontrol", "release", project.record(job)["job_id"]], check=True)

    says = "The job was aborted in RELION before it started."
    sees("abort while it waits", project, job, since=began, end="Aborted", says=says)
    assert not (job / "mask.mrc").exists()


@pytest.mark.parametrize(("major", "scheduler"), [("3", "local"), ("5", "slurm")])
def test_while_it_runs(
    major: str, scheduler: str, make_project: MakeProject, sees: Watched
) -> None:
    project = make_project(major, scheduler=scheduler, refine={"ngpu": 0})
    job, _ = refining(project)
    began = time.time()

    (job / ABORT).touch()

    sees(
        "abort while it runs",
        project,
        job,
        since=began,
        end="Aborted",
        says="The job was aborted in RELION after",
    )
    assert "exiting with an abort" in (job / "run.out").read_text()
