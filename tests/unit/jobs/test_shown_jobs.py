"""Which jobs status shows, and in which order."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from dispatcher.jobs.job import Job
from dispatcher.jobs.shown_jobs import arranged, choice_of, left_out
from dispatcher.relion.pipeline import Process

DAY = 24 * 3600.0
NAMES = {"Succeeded": "SUCCESS", "Failed": "FAILURE", "Aborted": "ABORTED"}


@pytest.fixture
def ended(tmp_path: Path) -> Any:
    """Make a job that ended so many days ago."""

    def make(number: int, status: str, days: float, waiting: str = "RELION") -> Process:
        folder = tmp_path / f"Class3D/job{number:03}"
        folder.mkdir(parents=True)
        word = "FAILED" if waiting == "PIPELINER" and status == "Failed" else NAMES[status]
        file = folder / f"{waiting}_JOB_EXIT_{word}"
        file.touch()
        os.utime(file, (time.time() - days * DAY,) * 2)
        return Process(f"Class3D/job{number:03}", status)

    return make


def job(process: Process) -> Job:
    return Job(
        name=process.name, folder=Path(process.name), status=process.status, record=None,
        problem=None, last_record=None, is_this_users=True, scheduler=None, queue=None,
    )  # fmt: skip


def names(numbers: list[int]) -> list[str]:
    return [f"Class3D/job{number:03}" for number in numbers]


def test_the_jobs_that_ended_last_are_looked_at_and_shown_first(tmp_path: Path, ended: Any) -> None:
    """A job that was continued ended late, though its number is low."""
    days = {1: 0.5, 2: 90, 3: 80, 4: 3, 5: 2, 6: 1}
    processes = [ended(number, "Succeeded", ago) for number, ago in days.items()]

    choice = choice_of(tmp_path, processes, most=3)

    assert choice.names == frozenset(names([1, 6, 5]))
    looked_at = [job(process) for process in processes if process.name in choice.names]
    assert [each.name for each in arranged(looked_at, choice.ended, 3)] == names([1, 6, 5])
    shown = arranged(looked_at, choice.ended, 2)
    assert left_out(processes, shown) == {"Succeeded": 4}


def test_what_runs_or_is_scheduled_is_always_looked_at_and_comes_first(
    tmp_path: Path, ended: Any
) -> None:
    processes = [
        Process("Class3D/job001", "Scheduled"),
        ended(2, "Succeeded", 1),
        Process("Class3D/job003", "Running"),
        Process("Class3D/job004", "SomethingNew"),
    ]

    choice = choice_of(tmp_path, processes, most=0)

    assert choice.names == frozenset(names([1, 3, 4]))
    looked_at = [job(process) for process in processes]
    assert [each.name for each in arranged(looked_at, choice.ended)] == names([3, 1, 4, 2])


def test_a_job_that_failed_lately_is_looked_at_as_its_queue_may_have_it(
    tmp_path: Path, ended: Any
) -> None:
    processes = [
        ended(1, "Failed", 6),
        ended(2, "Failed", 8),
        ended(3, "Aborted", 1),
        ended(4, "Failed", 2, waiting="PIPELINER"),
        ended(5, "Succeeded", 1),
    ]

    assert choice_of(tmp_path, processes, most=0).names == frozenset(names([1, 3, 4]))


def test_jobs_without_exit_files_are_told_apart_by_relions_order(tmp_path: Path) -> None:
    processes = [Process(name, "Succeeded") for name in names([1, 2, 3])]

    choice = choice_of(tmp_path, processes, most=2)

    assert choice.names == frozenset(names([3, 2]))
    shown = arranged([job(each) for each in processes], choice.ended)
    assert [each.name for each in shown] == names([3, 2, 1])


def test_a_job_that_ended_since_relion_looked_is_the_newest(tmp_path: Path, ended: Any) -> None:
    processes = [ended(1, "Succeeded", 0.1), Process("Class3D/job002", "Running")]
    choice = choice_of(tmp_path, processes)
    looked_at = [job(processes[0]), job(processes[1])._replace(status="Succeeded")]

    assert [each.name for each in arranged(looked_at, choice.ended)] == names([2, 1])
