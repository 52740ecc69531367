"""Submissions are read from the records of projects; what cannot be read is counted."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from dispatcher.config.site import load_site
from dispatcher.report.causes import REFUSED
from dispatcher.report.job_folders import Passed
from dispatcher.report.job_row import JobRow
from dispatcher.report.read_rows import read_rows
from dispatcher.report.record_row import Source

from ...recorded_facility import add_job, make_project

SUCCESS = """started 2026-11-01T09:00:00+00:00
ended 2026-11-01T11:30:00+00:00
host gpu1
scheduler_job_id 1
exit_status 0
ending SUCCESS
gpu gpu1 GPU-0 700 3145728000 60 2 17545822720
gpu gpu1 GPU-1 700 3145728000 0 - -
gpu gpu1 GPU-2 0 - - - -"""
FAILURE = """started 2026-11-01T09:00:00+00:00
ended 2026-11-01T10:00:00+00:00
ending FAILURE
reason The job failed after 1:00:00, because the disk is full: free space."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "p1")


def read(
    *projects: Path, since: str = "", passed: Passed | None = None
) -> dict[tuple[str, str | None], JobRow]:
    source = Source(load_site().schedulers, {"the disk is full": "free space"})
    begin = datetime.fromisoformat(since).timestamp() if since else 0
    rows = read_rows(projects, source, passed or Passed(), begin)
    return {(row.job, row.job_id): row for row in rows}


def test_a_job_that_succeeded(project: Path) -> None:
    add_job(project, "Refine3D/job019", 17, SUCCESS, nodes=2, mps=True)

    row = read(project)["Refine3D/job019", "17"]

    assert (row.user, row.type, row.version) == ("ada", "refine", "relion 5.0.1")
    assert (row.partition, row.scheduler, row.where) == ("gpu", "slurm", ())
    assert (row.waited, row.seconds) == (3600, 9000)
    assert (row.gpus, row.asked_gpus, row.gpu_hours) == (4, 4, 10)
    assert (row.asked_seconds, row.asked_bytes, row.peak_bytes) == (36000, 64 << 30, None)
    assert (row.outcome, row.cause, row.mps) == ("succeeded", None, True)
    assert row.means == (60, 0)


def test_how_jobs_ended(project: Path) -> None:
    add_job(project, "Class2D/job001", 1, FAILURE)
    add_job(project, "Class2D/job002", 2, FAILURE.replace("FAILURE", "ABORTED"))
    add_job(project, "Class2D/job003", 3, refused="The job needs 3 GPUs: ask for two.", job_id=None)
    lost = add_job(project, "Class2D/job004", 4)
    (lost / "RELION_JOB_EXIT_FAILURE").touch()
    (lost / "run.err").write_text(
        "x\nrelion-dispatch: It failed, because the disk is full: free.\n"
    )
    add_job(project, "Class2D/job005", 5)

    rows = read(project)

    ends = {job: (row.outcome, row.cause, row.gpu_hours) for (job, _), row in rows.items()}
    assert ends == {
        "Class2D/job001": ("failed", "the disk is full", 2),
        "Class2D/job002": ("aborted", None, 2),
        "Class2D/job003": ("refused", REFUSED, None),
        "Class2D/job004": ("failed", "the disk is full", None),
        "Class2D/job005": ("unknown", None, None),
    }
    assert rows["Class2D/job003", None].gpus == 0


def test_earlier_records_are_submissions_too(project: Path) -> None:
    add_job(project, "Class2D/job001", 1, FAILURE, name="dispatch.json.1")
    add_job(project, "Class2D/job001", 2, name="dispatch.json.2")
    folder = add_job(project, "Class2D/job001", 3, SUCCESS)
    (folder / "RELION_JOB_EXIT_SUCCESS").touch()  # of the last one alone

    rows = read(project)

    assert {job_id: row.outcome for (_, job_id), row in rows.items()} == {
        "1": "failed",
        "2": "unknown",
        "3": "succeeded",
    }


def test_jobs_of_the_host_and_odd_amounts(project: Path) -> None:
    add_job(
        project,
        "External/job001",
        1,
        SUCCESS.replace("ended 2026-11-01T11", "ended 2026-11-01T07"),
        image=None,
        job_parameters={"time": "soon", "mem": "64000", "partition": None},
        nodes="two",
    )

    row = read(project)["External/job001", "1"]

    assert (row.version, row.partition) == ("on the host", "")
    assert (row.asked_seconds, row.asked_bytes) == (None, None)
    assert row.seconds is None  # by clocks that are wrong


def test_what_ended_before_the_span_need_not_be_read(project: Path) -> None:
    ended, runs, late = (add_job(project, f"Class2D/job00{n}", n, SUCCESS) for n in (1, 2, 3))
    for folder in (ended, late):
        (folder / "RELION_JOB_EXIT_SUCCESS").touch()
    for folder in (ended, runs):
        os.utime(folder / "dispatch.json", (1, 1))
        os.utime(folder, (1, 1))
    os.utime(late / "dispatch.json", (1, 1))  # submitted long ago, and ended now

    found = read(project, since="2026-11-02T00:00:00+00:00")

    assert [job for job, _ in found] == ["Class2D/job002", "Class2D/job003"]


def test_jobs_on_other_disks_count_and_aliases_do_not(project: Path, tmp_path: Path) -> None:
    folder = add_job(project, "Class2D/job001", 1, SUCCESS)
    add_job(tmp_path / "big", "job002", 2, SUCCESS)
    add_job(tmp_path / "big", "Refine3D/job003", 3, SUCCESS)
    (project / "Class2D" / "my_classes").symlink_to(folder)
    (project / "Class2D" / "job002").symlink_to(tmp_path / "big" / "job002")
    (project / "Class2D" / "job004").symlink_to(tmp_path / "not_mounted")
    (project / "Refine3D").symlink_to(tmp_path / "big" / "Refine3D")
    (project / "Class3D").symlink_to(tmp_path / "not_mounted")
    (project / "Movies").symlink_to(tmp_path / "not_mounted")
    (folder / "dispatch.json.1").symlink_to(folder / "dispatch.json")
    passed = Passed()

    assert list(read(project, passed=passed)) == [
        ("Class2D/job001", "1"),
        ("Class2D/job002", "2"),
        ("Refine3D/job003", "3"),
    ]
    assert passed.numbers == {"broken records": 1, "closed jobs": 2}


def test_deleted_jobs_lie_in_the_trash(project: Path) -> None:
    add_job(project, "Class2D/job001", 1, SUCCESS)
    add_job(project, "Trash/Class2D/job002", 2, FAILURE)

    assert list(read(project)) == [("Class2D/job001", "1"), ("Class2D/job002", "2")]


@pytest.mark.parametrize("copy", ["a_copy", "z_copy"])
def test_a_submission_counts_once_where_it_was_made(
    project: Path, tmp_path: Path, copy: str
) -> None:
    folder = add_job(project, "Class2D/job001", 1, SUCCESS)
    add_job(project, "Class2D/job002", 1, SUCCESS, token="0" * 12)  # the same id, another job
    shutil.copytree(project, tmp_path / copy)
    shutil.copytree(folder, project / "Class2D" / "job001_backup")
    shutil.copytree(folder, project / "Archive" / "job001")
    shutil.copytree(folder, project / "Trash" / "Class2D" / "job001")
    passed = Passed()
    source = Source(load_site().schedulers, {})

    rows = list(read_rows(sorted([project, tmp_path / copy]), source, passed))

    assert [(row.project, row.job) for row in rows] == [
        (str(project), "Class2D/job001"),
        (str(project), "Class2D/job002"),
    ]
    assert passed.numbers == {"copies": 4}

    alone = read_rows([tmp_path / copy], source, Passed())
    assert {row.project for row in alone} == {str(tmp_path / copy)}


def test_what_is_no_record_is_counted(project: Path) -> None:
    for number, text in enumerate(("{", "[]", '{"token": "../../x"}', '{"ngpu": -1}')):
        folder = project / "Class2D" / f"job00{number}"
        folder.mkdir(parents=True)
        (folder / "dispatch.json").write_text(text)
    passed = Passed()

    assert not read(project, passed=passed)
    assert passed.numbers == {"broken records": 4}
    assert "job000/dispatch.json is not a record" in passed.first["broken records"]
