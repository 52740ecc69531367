"""Start a job's next run: by the same script, and the same command, that the record's seal is of.

Before that, the run that was lost gets its record (lost_run.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, WriteError
from ..host.shared_files import shared_folder
from ..relion.exit_files import end_of, look_again
from ..relion.submission import SUBMISSION
from ..scheduler.clusters import where_is
from ..scheduler.submit import submit_without_retry
from .folder_lock import folder_locked
from .job import Job
from .last_seen import LEASE_OVER, cannot_start, clock_of
from .lost_run import write_lost_run
from .notes import line_file, watcher_file
from .queued_ahead import FirstInLine, queue_ahead, wanted_ahead
from .record import Record, read_record
from .run_names import claim_link, job_id_file
from .sealed_script import write_anew
from .watcher import WATCHER, submit_watcher

__all__ = ["start_next_run"]


def start_next_run(project: Path, job: Job) -> str:
    """Submit the job's script once more; a sentence that says which run starts.

    Raises:
        InputError: the script has changed, or another process was quicker.
        SubmitError: the scheduler does not take the job.
        WriteError: the job's folder cannot be written.
    """
    with folder_locked(job.folder):  # of several `watch`, one starts the run
        record = _record_of_now(job)
        if not write_anew(job.folder / f"{SUBMISSION}.run", record.job_script):
            raise InputError(
                f"{job.name} cannot go on, because its script {job.name}/{SUBMISSION}.run is not "
                "the one that was submitted: mark the job as failed in RELION, and continue it."
            )
        try:
            queued = _submit(project, job, record)
        except (OSError, ValueError) as error:
            raise cannot_start(job.folder, error) from error
    lacks = "".join(f" ({each})" for each in _behind(project, job, record, queued))
    as_job = f"as job {queued.job_id} of {record.scheduler}"
    return f"{job.name}: run {record.next_number} starts, {as_job}{lacks}"


def _record_of_now(job: Job) -> Record:
    """The job's record, once nobody else can start the run.

    Raises:
        InputError: another process has done something since the job was looked at.
    """
    assert job.record
    look_again(job.folder)
    found = read_record(job.folder)
    number = job.record.next_number
    is_claimed = os.path.lexists(claim_link(job.folder, job.token, number))
    if (
        found is None
        or (found.token, found.next_number) != (job.token, number)
        or is_claimed
        or end_of(job.folder)
        or not job._replace(last_record=found).is_sealed
    ):
        raise InputError(
            f"{job.name} has changed meanwhile (it was started again, has ended, or has another "
            f"record): `relion-dispatch status {job.name}` shows what it does."
        )
    note = job_id_file(job.folder, job.token, number)
    with suppress(OSError), shared_folder(job.folder) as opened:
        if clock_of(opened) - opened.status(note.name).st_mtime < LEASE_OVER:
            raise InputError(
                f"{job.name}: run {number} was submitted less than {LEASE_OVER} s ago."
            )
    return found


def _submit(project: Path, job: Job, record: Record) -> FirstInLine:
    """The run's job in the queue."""
    scheduler, words = job.scheduler, record.submit_command
    assert scheduler
    with shared_folder(job.folder) as opened:
        if record.runs and not record.runs[-1].went_on:
            write_lost_run(opened, record)
        for file in (watcher_file, line_file):
            with suppress(FileNotFoundError):
                opened.remove(file(job.folder, record.token).name)
        job_id, cluster = submit_without_retry(scheduler, words, project, record.token)
        name = job_id_file(job.folder, record.token, record.next_number).name
        lines = (f"{each}\n" for each in (job_id, cluster) if each)
        opened.replace(name, "".join(lines).encode())
    return FirstInLine(job_id, words, cluster, record.job_script)


def _behind(project: Path, job: Job, record: Record, queued: FirstInLine) -> Iterator[str]:
    """Submit what waits behind the run's job: next runs, and the watcher. The run does without them
    as well: what there is not is yielded, and why."""
    scheduler, name, token = job.scheduler, job.name, record.token
    assert scheduler
    try:
        line, fewer = queue_ahead(project, name, scheduler, queued, token, wanted_ahead(record))
        if fewer:
            yield fewer
        if scheduler.watcher and write_anew(job.folder / WATCHER, record.watcher_script):
            where = where_is(scheduler, queued.cluster, queued.submit_command)
            problem = submit_watcher(project, name, scheduler, line[-1], token, where)
            if problem:
                yield f"no watcher: {problem}"
    except WriteError as error:
        yield str(error)
