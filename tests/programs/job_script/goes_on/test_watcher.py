"""The watcher of a job that goes on: it tells the end of the last run, and no end between runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ....fixture_types import CorpusJob, WriteSite
from ..test_watcher import TOKEN, run, watcher


@pytest.fixture
def folder(corpus_job: CorpusJob, site: WriteSite, images: None) -> Path:
    """A job whose second run has the claim, and was killed."""
    site("site.json", {"goes_on": True})
    folder = corpus_job("relion-5.0.1/Refine3D_job011").parent
    (folder / "run_submit.script.run").write_text(f"dispatch_token={TOKEN}\n")
    (folder / "dispatch.json").write_text(f'{{\n  "token": "{TOKEN}",\n  "job_id": "17"\n}}\n')
    for number, job in (("", "16"), (".2", "17")):
        claim = folder / f".dispatch_claim.{TOKEN}{number}"
        claim.symlink_to(f"gpu1, process 5, 2026, job {job}")
    (folder / f"dispatch.run.{TOKEN}.1").write_text(f"token {TOKEN}\nending GOES_ON\n")
    (folder / f".dispatch_control.{TOKEN}.2").mkdir(mode=0o700)
    return folder


def test_the_end_of_the_last_run_is_told(folder: Path, tmp_path: Path) -> None:
    run(watcher(folder, "slurm"), tmp_path, "echo JobState=NODE_FAIL")

    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert "its node was lost" in (folder / "run.err").read_text()
    assert not list(folder.glob(".dispatch_control.*"))


def test_a_record_that_the_last_run_has_left_half_written_goes(
    folder: Path, tmp_path: Path
) -> None:
    unfinished = folder / f".dispatch.run.{TOKEN}.2.new"
    unfinished.touch()

    run(watcher(folder, "slurm"), tmp_path, "echo JobState=NODE_FAIL")

    assert not unfinished.exists()


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "REQUEUED", "COMPLETING"])
def test_a_job_in_the_queue_has_not_ended(state: str, folder: Path, tmp_path: Path) -> None:
    run(watcher(folder, "slurm"), tmp_path, f"echo JobState={state}")

    assert not list(folder.glob("RELION_JOB_EXIT_*"))
    assert list(folder.glob(".dispatch_control.*"))


def test_a_job_that_was_cancelled_between_two_runs_has_failed(folder: Path, tmp_path: Path) -> None:
    (folder / f"dispatch.run.{TOKEN}.2").write_text(f"token {TOKEN}\nending GOES_ON\n")

    run(watcher(folder, "slurm"), tmp_path, "echo JobState=CANCELLED Reason=None")

    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert "it was cancelled in the queue" in (folder / "run.err").read_text()


@pytest.mark.parametrize("submitted", ["17", "18"])
def test_a_job_that_resume_submitted_and_somebody_cancelled_has_failed(
    submitted: str, folder: Path, tmp_path: Path
) -> None:
    """Run 2 of the job 16 was lost; the watcher waits for the job 17."""
    claim = folder / f".dispatch_claim.{TOKEN}.2"
    claim.unlink()
    claim.symlink_to("gpu1, process 5, 2026, job 16")
    (folder / f"dispatch.run.{TOKEN}.2").write_text(f"token {TOKEN}\nending GOES_ON\n")
    (folder / f".dispatch_id.{TOKEN}.3").write_text(f"{submitted}\n")

    run(watcher(folder, "slurm"), tmp_path, "echo JobState=CANCELLED Reason=None")

    told = submitted == "17"  # else the job that counts has a watcher of its own
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists() == told
    assert (folder / "run.err").exists() == told


def test_a_workstation_that_was_switched_off_has_ended_no_job(folder: Path, tmp_path: Path) -> None:
    (folder / f"dispatch.run.{TOKEN}.2").write_text(f"token {TOKEN}\nending GOES_ON\n")
    gone = subprocess.Popen(["true"])
    gone.wait()
    script = watcher(folder, "local").replace("dispatch_watched=$1", f"dispatch_watched={gone.pid}")

    run(script.replace('"$1"', str(gone.pid)), tmp_path)

    assert not list(folder.glob("RELION_JOB_EXIT_*"))
