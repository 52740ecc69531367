"""status, cancel, watch and the job after the job, with real jobs in a real Slurm and here."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ..waiting import has_ended, wait_for
from .hook_calls import (
    PYTHON,
    change_scheduler,
    dispatch,
    in_queue,
    job_id,
    run_in_background,
    start_hook,
)
from .jobs import sleeping_job
from .project import MakeProject, Project


def rows(project: Project) -> list[dict[str, Any]]:
    return list(json.loads(dispatch(project, "status", "--json")))


def assert_relion_knows(project: Project, pipeliner: subprocess.Popen[bytes], job: Path, end: str):  # type: ignore[no-untyped-def]
    """RELION's own pipeliner comes back, and has the job in this state."""
    assert pipeliner.wait(60) == 0
    assert project.status(job) == end, (job / "run.err").read_text()


@pytest.mark.parametrize("form", ["python", "appliance"])
def test_a_job_from_the_queue_to_its_end(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", "--hold"])
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)
    pipeliner = run_in_background(project, job)
    number = job_id(project, job)
    wait_for(lambda: project.record(job).get("watcher"), 30, "the watcher")
    watcher = project.record(job)["watcher"]["job_id"]

    (waiting,) = rows(project)
    assert (waiting["relion"], waiting["state"], waiting["job_id"]) == (
        "Running",
        "PENDING",
        number,
    )
    assert waiting["reason"] == "JobHeldUser"
    assert in_queue(watcher)
    subprocess.run(["scontrol", "release", number], check=True)
    assert_relion_knows(project, pipeliner, job, "Succeeded")

    (ended,) = rows(project)
    assert (ended["relion"], ended["nproc"], ended["ngpu"]) == ("Succeeded", 1, 0)
    assert ended["image"].startswith("relion 5")
    wait_for(lambda: not in_queue(watcher), 20, "the end of the watcher")
    assert not (job / "RELION_JOB_EXIT_FAILURE").exists()
    assert "Succeeded" in dispatch(project, "status")


@PYTHON
def test_cancel_of_a_waiting_job_ends_it_at_once(make_project: MakeProject) -> None:
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", "--hold"])
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    pipeliner = run_in_background(project, job)
    number = job_id(project, job)
    began = time.monotonic()

    assert dispatch(project, "cancel", f"{job.parent.name}/{job.name}/").endswith("aborted\n")

    assert time.monotonic() - began < 40  # a job that runs is given 60 s
    assert not in_queue(number)
    assert_relion_knows(project, pipeliner, job, "Aborted")
    # Its watcher may be the first to tell.
    assert re.search(
        "was cancelled (with `relion-dispatch cancel` before it started|in the queue)",
        (job / "run.err").read_text(),
    )
    assert [row["relion"] for row in rows(project)] == ["Aborted"]


@PYTHON
@pytest.mark.parametrize("scheduler", ["slurm", "local"])
def test_cancel_of_a_running_job(scheduler: str, make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project("5", scheduler=scheduler)
    job = sleeping_job(project, tmp_path / "ready")
    pipeliner = run_in_background(project, job)
    job_id(project, job)
    wait_for((tmp_path / "ready").exists, 60, "the program's start")

    assert dispatch(project, "cancel", str(job)).endswith("aborted\n")

    assert_relion_knows(project, pipeliner, job, "Aborted")


@PYTHON
@pytest.mark.parametrize("major", ["3", "5"])
def test_relions_abort_of_a_running_job(
    major: str, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(major, external={"abort_grace": 1})
    job = sleeping_job(project, tmp_path / "ready")
    pipeliner = run_in_background(project, job)
    wait_for((tmp_path / "ready").exists, 60, "the program's start")

    (job / "RELION_JOB_ABORT_NOW").touch()  # what RELION's button does

    assert_relion_knows(project, pipeliner, job, "Aborted")
    wait_for(lambda: has_ended(job), 30, "the last word of the job's script")
    assert "The job was aborted in RELION after" in (job / "run.err").read_text()


@PYTHON
def test_watch_gives_relions_abort_its_effect_on_a_waiting_job(make_project: MakeProject) -> None:
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", "--hold"])
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    pipeliner = run_in_background(project, job)
    number = job_id(project, job)
    watch = subprocess.Popen(
        [project.command, "watch", "--interval", "1"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        time.sleep(3)
        assert in_queue(number)

        (job / "RELION_JOB_ABORT_NOW").touch()  # what RELION's button does

        assert_relion_knows(project, pipeliner, job, "Aborted")
        assert not in_queue(number)
    finally:
        os.killpg(watch.pid, signal.SIGTERM)
        watch.wait(20)


@PYTHON
def test_a_job_cancelled_behind_relions_back_while_it_waited(make_project: MakeProject) -> None:
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", "--hold"])
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    pipeliner = run_in_background(project, job)
    subprocess.run(["scancel", job_id(project, job)], check=True)

    (row,) = rows(project)

    assert row["relion"] == "Failed"
    assert "it was cancelled in the queue: submit the job again" in row["reason"]
    assert_relion_knows(project, pipeliner, job, "Failed")


@PYTHON
def test_a_watcher_that_cannot_be_submitted_is_a_warning(make_project: MakeProject) -> None:
    project = make_project("5")
    change_scheduler(
        project, watcher={"submit_command": ["sbatch", "--parsable", "--partition=none"]}
    )
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)

    project.run_job(job)

    project.assert_succeeded(job)
    wait_for(lambda: project.record(job).get("watcher"), 30, "the warning")
    assert "nvalid partition" in project.record(job)["watcher"]["warning"]


@PYTHON
def test_a_local_job_of_a_killed_hook_is_found(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project("5", scheduler="local")
    job = sleeping_job(project, tmp_path / "ready")
    hook = start_hook(project, job)
    hook.communicate(timeout=60)
    session = project.record(job)["job_id"]
    record = project.record(job) | {"job_id": None}  # as when it was killed between two writes
    (job / "dispatch.json").write_text(json.dumps(record, indent=2))
    pipeline = project.folder / "default_pipeline.star"
    pipeline.write_text(pipeline.read_text().replace("Scheduled", "Running"))

    (row,) = rows(project)

    assert (row["relion"], row["job_id"]) == ("Running", session)
    assert dispatch(project, "cancel", str(job)).endswith("aborted\n")
