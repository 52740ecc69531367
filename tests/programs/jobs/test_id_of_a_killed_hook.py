"""What `status` does for a job whose hook was killed: it keeps the job's id, and cleans up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.jobs.seal import text_digest
from dispatcher.jobs.watcher import WATCHER

from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of
from .pipeline_jobs import TOKEN, AddJob, status

pytestmark = pytest.mark.usefixtures("quickly")


def test_a_second_call_does_not_submit_again_what_status_has_seen(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(job_id=None)
    slurm.has("23", "PENDING", TOKEN)
    status(capsys)

    done = call_hook(folder / "run_submit.script")

    assert "was submitted before, as job 23" in done.stderr
    assert slurm.calls("sbatch") == []
    assert record_of(folder)["job_id"] == "23"
    assert (folder / f".dispatch_id.{TOKEN}").read_text() == "23\n"


def test_a_watchers_script_that_the_hook_did_not_write_is_not_submitted(
    tmp_path: Path,
    site: Callable[..., Path],
    add_job: AddJob,
    capsys: pytest.CaptureFixture[str],
) -> None:
    watcher = {"submit_command": [str(tmp_path / "slurm" / "sbatch")]}
    slurm = StandIn(tmp_path / "slurm", site, watcher=watcher)
    folder = add_job(watcher_script=text_digest("#!/bin/bash\n"))
    (folder / WATCHER).write_text("#!/bin/bash\ntouch canary\n")
    slurm.has("17", "RUNNING", TOKEN)

    status(capsys)

    assert slurm.calls("sbatch") == []


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    "name", [f".dispatch.run.{TOKEN}.2.new", f".dispatch.run.{TOKEN}.2.{'0' * 16}.new"]
)
def test_what_a_later_run_has_left_half_written_goes(
    name: str, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run's own script, or `resume` of its record."""
    folder = add_job(goes_on={"after": ["time_limit"]})
    for number in ("", ".2"):
        claim = folder / f".dispatch_claim.{TOKEN}{number}"
        claim.symlink_to("gpu1, process 5, 2026, job 17")
    (folder / name).touch()

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    assert not (folder / name).exists()


@pytest.mark.usefixtures("slurm")
def test_what_a_job_script_has_left_half_written_goes(
    add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    unfinished = folder / f".dispatch.run.{TOKEN}.new"
    unfinished.touch()

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    assert not unfinished.exists()
