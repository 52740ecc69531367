"""Jobs that only seem lost, or that are somebody else's: RELION is told nothing of them.

The queue is a stand-in; tests/system/test_status.py has real jobs in a real Slurm.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.jobs import tell as telling
from dispatcher.jobs.seal import text_digest
from dispatcher.jobs.watcher import WATCHER
from dispatcher.relion.exit_files import End, make_exit_file

from ...fixture_types import WriteSite
from ...waiting import wait_for_arguments
from ..stand_in_scheduler import StandIn, record_of
from .pipeline_jobs import (
    TOKEN,
    AddJob,
    status,
)

pytestmark = pytest.mark.usefixtures("quickly")

JOB_STAR = """
data_job

_rlnJobTypeLabel relion.refine3d
_rlnJobIsContinue 1

data_joboptions_values

loop_
_rlnJobOptionVariable #1
_rlnJobOptionValue #2
do_queue {}
"""


def make_old(folder: Path) -> None:
    """Have the submission script seem older than any hook works."""
    os.utime(folder / "run_submit.script", (1, 1))


@pytest.mark.parametrize(
    "case",
    [
        "comment changed",
        "not in the queue, yet the scheduler says that it runs",
        "record is damaged",
        "script seems newer than the record",
        "script seems newer, and the queue does not answer",
        "RELION runs it without the queue",
        "RELION runs it without the queue, after a failure",
    ],
)
def test_what_runs_is_not_lost(
    case: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    record = folder / "dispatch.json"
    if case == "comment changed":
        slurm.queue.write_text("17|RUNNING|node1|None|0:07|of the portal\n")
    elif case.startswith("not in the queue"):
        slurm.says_of_ends("echo JobId=17 JobState=RUNNING")
    elif case == "record is damaged":
        record.write_text(record.read_text()[:40])
        make_old(folder)
    elif case.startswith("script seems newer"):
        slurm.has("17", "RUNNING", TOKEN)
        make_old(folder)
        os.utime(record, (0, 0))
        if "does not answer" in case:
            slurm.queue_answers("exit 1")
    elif case == "RELION runs it without the queue":
        record.write_text(json.dumps({**record_of(folder), "run": {"ending": "SUCCESS"}}))
    else:
        (folder / "job.star").write_text(JOB_STAR.format("No"))

    (row,) = status(capsys)

    assert row["relion"] == "Running"
    assert not list(folder.glob("RELION_JOB_EXIT_*"))
    assert not (folder / "run.err").exists()
    assert not (folder / f".dispatch_claim.{TOKEN}").is_symlink(), "it may still run"


def test_a_job_is_told_only_when_both_looks_miss_it(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = add_job()
    (lost / "job.star").write_text(JOB_STAR.format("Yes"))
    ended_meanwhile = add_job("Refine3D/job020", token="1" * 12, job_id="18")
    slurm.has("18", "RUNNING", "1" * 12)
    slurm.queue_answers("cat queue; : > queue")

    rows = status(capsys)

    assert [row["relion"] for row in rows] == ["Failed", "Running"]
    assert not (ended_meanwhile / "run.err").exists()


def test_a_job_whose_watcher_tells_at_the_same_moment_is_shown_as_told(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    slurm.says_of_ends(f"touch '{folder}/RELION_JOB_EXIT_FAILURE'; exit 1")

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    assert not (folder / "run.err").exists()


@pytest.mark.parametrize("times", ["kept", "new"])
def test_a_copied_projects_job_is_the_originals(
    times: str,
    slurm: StandIn,
    add_job: AddJob,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_job()
    slurm.has("17", "RUNNING", TOKEN)
    copy = project.parent / "copy"
    shutil.copytree(project, copy)  # with the times of all files
    if times == "new":
        make_old(copy / "Refine3D/job019")
        os.utime(copy / "Refine3D/job019/dispatch.json", (0, 0))
    monkeypatch.chdir(copy)

    assert main(["cancel", "Refine3D/job019"]) == 1
    slurm.forgets()
    (row,) = status(capsys)

    assert slurm.calls("scancel") == []
    assert row["relion"] == "Running"
    assert not list(copy.glob("Refine3D/job019/RELION_JOB_*"))


def test_a_job_that_cannot_be_told_keeps_no_other_from_being_told(
    slurm: StandIn,
    add_job: AddJob,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A folder in which nothing can be made or renamed is simulated."""
    full = add_job()
    other = add_job("Refine3D/job020", token="1" * 12, job_id="18")

    def without_room(folder: Path, end: End) -> None:
        if folder == full:
            raise OSError(errno.ENOSPC, "No space left on device")
        make_exit_file(folder, end)

    monkeypatch.setattr(telling, "make_exit_file", without_room)

    assert main(["watch", "--once"]) == 0

    said = capsys.readouterr().out
    assert "Refine3D/job019: relion-dispatch cannot tell RELION" in said
    assert (other / "RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize("lives", [True, False])
def test_a_hook_that_has_no_record_yet_is_known_by_its_note(
    lives: bool, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(record=False)
    command = ["bash", "-c", "read", "Refine3D/job019/run_submit.script"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as hook:
        wait_for_arguments(hook.pid, command[-1])
        note = {"host": os.uname().nodename, "pid": hook.pid if lives else 4194305}
        (folder / ".dispatch_hook").write_text(json.dumps(note))

        (row,) = status(capsys)
        hook.kill()

    assert row["relion"] == ("Running" if lives else "Failed")
    assert (folder / ".dispatch_hook").exists() == lives


@pytest.mark.parametrize("job_id", ["17", None])
def test_the_watcher_that_a_killed_hook_did_not_submit(
    job_id: str | None,
    tmp_path: Path,
    site: WriteSite,
    add_job: AddJob,
    capsys: pytest.CaptureFixture[str],
) -> None:
    watcher = {"submit_command": [str(tmp_path / "slurm" / "sbatch"), "--after={job_id}"]}
    slurm = StandIn(tmp_path / "slurm", site, watcher=watcher)
    slurm.submits("echo 99")
    folder = add_job(job_id=job_id, watcher_script=text_digest("#!/bin/bash\n"))
    (folder / WATCHER).write_text("#!/bin/bash\n")
    slurm.has("17", "RUNNING", TOKEN)

    status(capsys)
    status(capsys)

    assert slurm.calls("sbatch") == [f"--after=17 Refine3D/job019/{WATCHER} 17"]
    assert record_of(folder)["watcher"] == {"job_id": "99"}
    assert record_of(folder)["job_id"] == "17"
