"""Jobs whose hook was killed, is late or still works, as ``status`` finds them."""

from __future__ import annotations

import os
import subprocess

import pytest

from dispatcher.dispatch.write_record import note
from dispatcher.jobs.record import read_record

from ...waiting import wait_for_arguments
from ..stand_in_scheduler import StandIn, record_of
from .pipeline_jobs import (
    TOKEN,
    AddJob,
    status,
)

pytestmark = pytest.mark.usefixtures("quickly")


def test_a_job_of_a_killed_hook_is_found_by_its_token(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(job_id=None)
    slurm.has("23", "RUNNING", TOKEN)
    written = (folder / "dispatch.json").read_text()

    (row,) = status(capsys)

    assert (row["relion"], row["job_id"]) == ("Running", "23")
    assert (folder / "dispatch.json").read_text() == written, "it is the hook's alone"


def test_a_job_that_a_killed_hook_did_not_submit_is_told(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(job_id=None)

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    assert "ended while it submitted the job" in (folder / "run.err").read_text()


def test_a_job_that_is_being_submitted_is_left_alone(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bash", "-c", "read", "Refine3D/job019/run_submit.script"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as hook:
        wait_for_arguments(hook.pid, command[-1])
        add_job(job_id=None, pid=hook.pid)
        add_job("Refine3D/job020", job_id=None, host="elsewhere", token="1" * 12)

        rows = status(capsys)
        hook.kill()

    assert [row["relion"] for row in rows] == ["Running", "Running"]


def test_a_job_that_a_killed_hook_never_recorded_is_told(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = add_job(record=False)
    of_others = add_job("Refine3D/job020", record=False)
    (of_others / "run_submit.script").write_text("#!/bin/sh\n#SBATCH -n 3\nrelion_refine\n")
    for folder in (ours, of_others):
        os.utime(folder / "run_submit.script", (1, 1))

    rows = status(capsys)

    assert [row["relion"] for row in rows] == ["Failed", "Running"]
    assert "was never submitted" in (ours / "run.err").read_text()


def test_a_job_whose_hook_has_left_no_note_yet_is_left_alone(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python may take a while to start on a busy machine."""
    folder = add_job(record=False)

    (row,) = status(capsys)

    assert row["relion"] == "Running"
    assert not (folder / "RELION_JOB_EXIT_FAILURE").exists()


def test_an_earlier_runs_record_says_nothing_of_this_one(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    os.utime(folder / "dispatch.json", (1, 1))

    (row,) = status(capsys)

    assert (row["relion"], row["job_id"]) == ("Running", None)
    assert read_record(folder) is None


def test_a_hook_that_is_late_leaves_an_earlier_runs_record_alone(add_job: AddJob) -> None:
    """A record that was written anew would seem to be of the run that RELION asks for now."""
    folder = add_job()
    os.utime(folder / "dispatch.json", (1, 1))

    note(folder, TOKEN, job_id="18")

    assert (folder / "dispatch.json").stat().st_mtime == 1
    assert record_of(folder)["job_id"] == "17"
