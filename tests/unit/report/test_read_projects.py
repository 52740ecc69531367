"""Many projects are read by several processes, and nothing is lost or told twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from dispatcher.config.site import load_site
from dispatcher.report import read_projects as reading
from dispatcher.report.job_row import JobRow
from dispatcher.report.read_projects import read_projects
from dispatcher.report.read_rows import Passed, Source, read_rows

from ...recorded_facility import add_job, make_project


@pytest.fixture
def projects(tmp_path: Path) -> list[Path]:
    """Thirty projects with one to three jobs, and a broken record in each tenth."""
    made = []
    for number in range(30):
        project = make_project(tmp_path / f"p{number:02}")
        for job in range(1 + number % 3):
            add_job(project, f"Class2D/job{job:03}", 100 * number + job)
        if number % 10 == 0:
            (add_job(project, "Class2D/job009", 9) / "dispatch.json").write_text("{")
        made.append(project)
    return made


@pytest.fixture
def source() -> Source:
    return Source(load_site().schedulers, {})


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})


def test_several_processes_read_the_same(projects: list[Path], source: Source) -> None:
    one, several = Passed(), Passed()

    rows = list(read_projects(projects, source, several))

    assert rows == list(read_rows(projects, source, one))
    assert len(rows) == 60
    assert several == one
    assert one.numbers == {"broken records": 3}


def test_what_was_printed_before_is_printed_once(
    projects: list[Path], source: Source, capfd: pytest.CaptureFixture[str]
) -> None:
    print("heads")

    list(read_projects(projects, source, Passed()))

    assert capfd.readouterr().out == "heads\n"


COMMAND, READ = os.getpid(), reading._read


def killed_at_p07(project: Path, source: Source, since: float) -> tuple[list[JobRow], Passed]:
    if os.getpid() != COMMAND and project.name == "p07":
        os.kill(os.getpid(), signal.SIGKILL)
    return READ(project, source, since)


def test_projects_of_a_process_that_was_killed_are_read_all_the_same(
    projects: list[Path], source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_read", killed_at_p07)

    assert len(list(read_projects(projects, source, Passed()))) == 60
