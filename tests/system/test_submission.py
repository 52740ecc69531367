"""A job is one submission each time it runs; tests/system/faults has the rest."""

from __future__ import annotations

import json

import pytest

from ..waiting import wait_for, wait_for_end
from .hook_calls import PYTHON, assert_ran_once, calls, start_hook, wrap_sbatch
from .jobs import mask_job
from .project import MakeProject


@pytest.mark.parametrize("form", ["appliance"])
def test_a_lying_sbatch_is_not_believed(make_project: MakeProject) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(
        project,
        'real "$@" >/dev/null; echo "sbatch: error: Batch job submission failed: Socket timed out '
        'on send/recv operation" >&2; exit 1',
    )
    job = mask_job(project)

    project.run_job(job)

    project.assert_succeeded(job)
    assert_ran_once(project, job)
    assert len(calls(sbatch)) == 1
    assert "Socket timed out" in project.record(job)["attempts"][0]


@PYTHON
def test_a_job_that_runs_again_is_a_new_submission(make_project: MakeProject) -> None:
    project = make_project("5")
    job = mask_job(project)
    project.run_job(job)
    project.assert_succeeded(job)
    wait_for(lambda: "run" in project.record(job), 10, "the end of the job")
    first = project.record(job)
    for file in job.glob("RELION_JOB_EXIT_*"):  # as RELION does when it starts a job
        file.unlink()

    hook = start_hook(project, job)
    output, _ = hook.communicate(timeout=60)

    assert hook.returncode == 0, output
    wait_for_end(job, "SUCCESS", 60)
    again = project.record(job)
    kept = json.loads((job / "dispatch.json.1").read_text())
    assert (kept["token"], kept["job_id"]) == (first["token"], first["job_id"])
    assert again["token"] != first["token"]
    assert again["job_id"] != first["job_id"]
