"""Start a job's next run: by the same script, and the same command, that the record's seal is of.

Before that, the run that was lost gets its record, as the job script writes it (library/runs.sh),
so that the script may claim the next number.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, WriteError
from ..host.shared_files import SharedFolder, shared_folder
from ..relion.exit_files import end_of, look_again
from ..relion.submission import SUBMISSION
from ..scheduler.submit import submit_without_retry
from .claim import read_claim
from .folder_lock import folder_locked
from .job import Job
from .notes import line_file, watcher_file
from .queued_ahead import QueuedTo, submit_behind, wanted_ahead
from .record import Record, read_record
from .run_file import GOES_ON, read_lease
from .run_names import claim_link, job_id_file, lease_file, run_file
from .runs import utc
from .sealed_script import write_anew
from .watcher import WATCHER

__all__ = ["LEASE_OVER", "seconds_silent", "start_next_run"]

LEASE_OVER = 120  # seconds after which a run that does not renew its lease has ended
_OF_THE_LEASE_ALONE = ("", "token", "run", "process")
_LOST = (
    "The run ended without a word, because its machine was switched off, or it was killed there."
)


def seconds_silent(job: Job) -> float | None:
    """How long ago the newest run was there, by the clock of the folder's file system; None if no
    run has begun, or the last one has said itself that the job goes on.

    Raises:
        WriteError: the folder cannot be written, which is how the clock is read.
    """
    record = job.record
    if record is None or not record.runs or record.runs[-1].went_on:
        return None
    try:
        with shared_folder(job.folder) as opened:
            look_again(job.folder)
            lease = read_lease(job.folder, job.token, record.newest)
            seen = lease.renewed if lease else _claimed(job.folder, record)
            return max(0, _now(opened) - seen)
    except (OSError, ValueError) as error:
        raise _cannot_write(job.folder, error) from error


def _claimed(folder: Path, record: Record) -> float:
    claim = read_claim(folder, record.token, record.newest)
    return claim.made if claim else 0


def _now(opened: SharedFolder) -> float:
    """What the folder's file system has for a clock."""
    name = opened.unfinished("dispatch_clock")
    opened.create(name, b"")
    try:
        return opened.status(name).st_mtime
    finally:
        opened.remove(name)


def start_next_run(project: Path, job: Job) -> str:
    """Submit the job's script once more; a sentence that says which run starts.

    Raises:
        InputError: the script has changed, or another process was quicker.
        SubmitError: the scheduler does not take the job.
        WriteError: the job's folder cannot be written.
    """
    record, scheduler = job.record, job.scheduler
    assert record
    assert scheduler
    number = record.next_number
    with folder_locked(job.folder):  # of several `watch`, one starts the run
        _refuse_second(job, record)
        if not write_anew(job.folder / f"{SUBMISSION}.run", record.job_script):
            raise InputError(
                f"{job.name} cannot go on, because its script {job.name}/{SUBMISSION}.run is not "
                "the one that was submitted: mark the job as failed in RELION, and continue it."
            )
        try:
            with shared_folder(job.folder) as opened:
                if record.runs and not record.runs[-1].went_on:
                    _write_lost_run(opened, record)
                for file in (watcher_file, line_file):
                    with suppress(FileNotFoundError):
                        opened.remove(file(job.folder, job.token).name)
                words = record.submit_command
                job_id, cluster = submit_without_retry(scheduler, words, project, job.token)
                name = job_id_file(job.folder, job.token, number).name
                lines = (f"{each}\n" for each in (job_id, cluster) if each)
                opened.replace(name, "".join(lines).encode())
        except (OSError, ValueError) as error:
            raise _cannot_write(job.folder, error) from error
    lacks = "".join(f" ({each})" for each in _behind(project, job, job_id, cluster))
    return f"{job.name}: run {number} starts, as job {job_id} of {record.scheduler}{lacks}"


def _behind(project: Path, job: Job, job_id: str, cluster: str | None) -> Iterator[str]:
    """Submit what waits behind the job: next runs, and the watcher; what there is not, and why. The
    job runs without them as well."""
    scheduler, record = job.scheduler, job.record
    assert scheduler
    assert record
    queued = QueuedTo(job_id, record.submit_command, cluster)
    try:
        watches = scheduler.watcher and write_anew(job.folder / WATCHER, record.watcher_script)
        number, no_watcher = wanted_ahead(record), "" if watches else None
        yield from submit_behind(
            project, job.name, scheduler, queued, job.token, number, no_watcher
        )
    except WriteError as error:
        yield str(error)


def _refuse_second(job: Job, record: Record) -> None:
    """Refuse what another process has done since the job was looked at."""
    look_again(job.folder)
    found = read_record(job.folder)
    claimed = os.path.lexists(claim_link(job.folder, job.token, record.next_number))
    if found is None or found.token != record.token or end_of(job.folder) or claimed:
        raise InputError(f"{job.name} was started again, or has ended, just now.")
    note = job_id_file(job.folder, job.token, record.next_number)
    with suppress(OSError), shared_folder(job.folder) as opened:
        if _now(opened) - opened.status(note.name).st_mtime < LEASE_OVER:
            raise InputError(
                f"{job.name}: run {record.next_number} was submitted less than {LEASE_OVER} s ago."
            )


def _write_lost_run(opened: SharedFolder, record: Record) -> None:
    """The record of the run that could not write it: what its lease says, else its claim."""
    token, number = record.token, record.newest
    lines = "\n".join(f"{key} {value}" for key, value in _lost_run(opened.path, record) if value)
    opened.replace(run_file(opened.path, token, number).name, f"{lines}\n".encode())
    with suppress(FileNotFoundError):
        opened.remove(lease_file(opened.path, token, number).name)


def _lost_run(folder: Path, record: Record) -> Iterator[tuple[str, str | None]]:
    yield "token", record.token
    yield "run", str(record.newest)
    lease = read_lease(folder, record.token, record.newest)
    claim = read_claim(folder, record.token, record.newest)
    if lease:
        # The next run needs of it what this version may not know.
        yield from (each for each in lease.values.items() if each[0] not in _OF_THE_LEASE_ALONE)
        yield "ended", utc(lease.renewed)
    elif claim:
        yield from (("started", utc(claim.made)), ("ended", utc(claim.made)))
        yield from (("host", claim.host), ("scheduler_job_id", claim.job_id))
    yield from (("ending", GOES_ON), ("why", "lost_node"), ("reason", _LOST))


def _cannot_write(folder: Path, error: OSError | ValueError) -> WriteError:
    what = error.strerror if isinstance(error, OSError) else str(error)
    return WriteError(
        f"The job in {folder} was not started again, because its files cannot be used ({what}): "
        "free space on the disk or correct the folder's permissions, and try again."
    )
