"""Job folders in which a record cannot be read, a path is no text, or nothing can be locked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ...no_locks import without_locks
from ...waiting import has_ended, wait_for
from ..beds import Bed
from ..hook_calls import dispatch, start_hook
from ..jobs import mark_running, mask_job
from ..project import Project
from .conftest import Watched
from .observation import exit_file

unreadable = pytest.mark.parametrize("how", ["closed", "damaged"])
error_of_locks = pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS"])


def spoil(record: Path, how: str) -> None:
    """Close the record, as another user's may be closed, or cut it short."""
    if how == "closed":
        record.chmod(0)
    else:
        record.write_text('{"token": "4711')


def called(project: Project, job: Path, **environment: str) -> float:
    """Call the hook for a job, as RELION does; when that was."""
    mark_running(project, job)
    began = time.time()
    hook = start_hook(project, job, **environment)
    printed, _ = hook.communicate(timeout=120)
    assert hook.returncode == 0, printed
    return began


def held_job(bed: Bed, project: Project) -> Path:
    """A job that will wait in the queue."""
    bed.hold(project)
    return mask_job(project)


@unreadable
def test_an_earlier_record_cannot_be_read(how: str, bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job = mask_job(project)
    (job / "dispatch.json").write_text("{}")
    spoil(job / "dispatch.json", how)

    began = called(project, job)

    fault = "an earlier run's record cannot be read at submission (closed, or damaged)"
    sees(fault, project, job, since=began, end="Succeeded")
    bed.assert_ran_once(project, job)


@unreadable
def test_the_record_cannot_be_read_at_the_end(how: str, bed: Bed, sees: Watched) -> None:
    """The watcher tells, which needs no record; and `status` has a row for the job."""
    project = bed.project()
    job = held_job(bed, project)
    number = bed.submitted(project, job)
    record = job / "dispatch.json"
    content = record.read_bytes()
    spoil(record, how)
    assert f"{job.parent.name}/{job.name}" in dispatch(project, "status")

    began = time.time()
    bed.cancel(number)

    wait_for(lambda: exit_file(job), 60, "the end of the job")
    record.chmod(0o644)
    record.write_bytes(content)
    fault = "the record cannot be read at the job's end (closed, or damaged)"
    sees(
        fault,
        project,
        job,
        since=began,
        end="Failed",
        says=bed.cancelled_waiting,
        within=bed.within,
    )


@contextmanager
def at_a_path_that_is_no_utf_8(project: Project, job: Path) -> Iterator[Path]:
    """Have the project at such a path while the block runs; yields where its job is then.

    RELION's own programs work in a container, and Apptainer enters no such folder: the job is made
    before, and RELION is asked afterwards.
    """
    before = project.folder
    project.folder = before.rename(before.with_name(os.fsdecode(b"caf\xe9")))
    try:
        yield project.folder / job.relative_to(before)
    finally:
        project.folder = project.folder.rename(before)


def test_a_path_that_is_no_utf_8(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job = mask_job(project)

    with at_a_path_that_is_no_utf_8(project, job) as moved:
        began = called(project, moved)
        second = start_hook(project, moved)
        second.communicate(timeout=60)
        wait_for(lambda: has_ended(moved), 60, "the end of the job")
        copies = bed.copies(project.record(moved)["token"])

    fault = "the project's path is no UTF-8 (Apptainer enters no such folder)"
    sees(fault, project, job, since=began, end="Failed", says="container could not be started")
    assert len(copies) == 1


def test_a_job_below_a_path_that_is_no_utf_8_is_cancelled(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job = held_job(bed, project)

    with at_a_path_that_is_no_utf_8(project, job) as moved:
        number = bed.submitted(project, moved)
        began = time.time()
        bed.cancel(number)
        wait_for(lambda: exit_file(moved), 60, "the end of the job")

    fault = "the project's path is no UTF-8, and the job is cancelled while it waits"
    sees(
        fault,
        project,
        job,
        since=began,
        end="Failed",
        says=bed.cancelled_waiting,
        within=bed.within,
    )


@error_of_locks
def test_no_locks_at_submission(error: str, bed: Bed, tmp_path: Path, sees: Watched) -> None:
    project = bed.project()
    job = mask_job(project)

    began = called(project, job, **without_locks(tmp_path, error))

    fault = "no locks at submission (simulated: ENOLCK, ENOSYS)"
    sees(fault, project, job, since=began, end="Succeeded")
    bed.assert_ran_once(project, job)


@error_of_locks
def test_no_locks_at_the_jobs_end(error: str, bed: Bed, tmp_path: Path, sees: Watched) -> None:
    """The hook hands the preloaded library on to the job and its watcher; `status` has it too."""
    project = bed.project()
    job = held_job(bed, project)
    variables = without_locks(tmp_path, error)
    called(project, job, **variables)
    (number,) = bed.copies(project.record(job)["token"])
    dispatch(project, "status", **variables)

    began = time.time()
    bed.cancel(number)

    fault = "no locks at the job's end (simulated: ENOLCK, ENOSYS)"
    sees(
        fault,
        project,
        job,
        since=began,
        end="Failed",
        says=bed.cancelled_waiting,
        within=bed.within,
    )
