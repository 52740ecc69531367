"""``relion-dispatch cancel``, with a stand-in for the queue."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.jobs.project_jobs import find_job

from ..stand_in_scheduler import StandIn
from .pipeline_jobs import (
    TOKEN,
    AddJob,
)

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.mark.parametrize("named", ["Refine3D/job019", "Refine3D/job019/", "FOLDER", "ALIAS"])
def test_cancel_ends_a_waiting_job_at_once(
    named: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    folder = add_job()
    (project / "Refine3D/alias").symlink_to(folder)
    slurm.has("17", "PENDING", TOKEN)
    began = time.monotonic()

    assert (
        main(["cancel", named.replace("FOLDER", str(folder)).replace("ALIAS", "Refine3D/alias")])
        == 0
    )

    assert time.monotonic() - began < 30  # a job that runs is given 60 s
    assert slurm.calls("scancel") == ["17"]
    assert (folder / "RELION_JOB_ABORT_NOW").exists()
    assert (folder / "RELION_JOB_EXIT_ABORTED").exists()
    assert capsys.readouterr().out == "Refine3D/job019: aborted\n"


def test_cancel_ends_both_copies_of_a_job_that_the_scheduler_took_twice(
    slurm: StandIn, add_job: AddJob
) -> None:
    folder = add_job()
    slurm.has("17", "PENDING", TOKEN)
    slurm.has("18", "PENDING", TOKEN)

    assert main(["cancel", "Refine3D/job019"]) == 0

    assert slurm.calls("scancel") == ["18", "17"], "what may be a next run goes first"
    assert (folder / "RELION_JOB_EXIT_ABORTED").exists()


def test_cancel_leaves_the_last_word_to_the_jobs_script(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    slurm.has("17", "RUNNING", TOKEN)
    slurm.does("scancel", f"(sleep 0.5; touch '{folder}/RELION_JOB_EXIT_ABORTED') &>/dev/null &")

    assert main(["cancel", "Refine3D/job019"]) == 0

    assert not (folder / "run.err").exists()


def test_cancel_of_a_job_that_is_gone_tells_relion(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()

    assert main(["cancel", "Refine3D/job019"]) == 0

    assert slurm.calls("scancel") == []
    assert (folder / "RELION_JOB_EXIT_ABORTED").exists()


def test_find_job_knows_jobs_in_linked_folders(add_job: AddJob, project: Path) -> None:
    add_job()
    elsewhere = project.parent / "disk"
    (project / "Refine3D").rename(elsewhere)
    (project / "Refine3D").symlink_to(elsewhere)

    assert find_job(project, str(elsewhere / "job019")) == "Refine3D/job019"
