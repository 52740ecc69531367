"""RELION's Abort, before the job is submitted, while it waits, and while it runs."""

from __future__ import annotations

import time
from pathlib import Path

from ..beds import Bed
from ..hook_calls import refining, start_hook
from ..jobs import mark_running, mask_job
from ..project import MakeProject, Project
from .conftest import Watched

ABORT = "RELION_JOB_ABORT_NOW"


def test_before_it_is_submitted(bed: Bed, sees: Watched) -> None:
    project = bed.project()
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


def test_while_it_waits(bed: Bed, sees: Watched) -> None:
    """Without `watch`, which would end it at once: it ends as soon as it is its turn."""
    project = bed.project()
    bed.hold(project)
    job = mask_job(project)
    number = bed.submitted(project, job)
    (job / ABORT).touch()

    began = time.time()
    bed.release(number)

    says = "The job was aborted in RELION before it started."
    sees("abort while it waits", project, job, since=began, end="Aborted", says=says)
    assert not (job / "mask.mrc").exists()


def test_while_it_runs(bed: Bed, sees: Watched) -> None:
    project = bed.project(refine={"ngpu": 0, "mem": "3G"})
    job, _ = refining(project)

    abort(project, job, sees)


def test_while_it_runs_here(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("3", scheduler="local", refine={"ngpu": 0})
    job, _ = refining(project)

    abort(project, job, sees)


def abort(project: Project, job: Path, sees: Watched) -> None:
    """Abort a job that runs, as RELION's window does."""
    began = time.time()

    (job / ABORT).touch()

    says = "The job was aborted in RELION after"
    sees("abort while it runs", project, job, since=began, end="Aborted", says=says)
    assert "exiting with an abort" in (job / "run.out").read_text()
