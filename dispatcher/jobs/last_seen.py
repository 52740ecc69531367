"""How long ago a job's newest run was there: the age of its lease, or of its claim."""

from __future__ import annotations

from pathlib import Path

from ..errors import WriteError
from ..host.shared_files import SharedFolder, shared_folder
from ..relion.exit_files import look_again
from .claim import read_claim
from .job import Job
from .record import Record
from .run_file import read_lease

__all__ = ["LEASE_OVER", "cannot_start", "clock_of", "seconds_silent"]

LEASE_OVER = 120  # seconds after which a run that does not renew its lease has ended


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
            return max(0, clock_of(opened) - seen)
    except (OSError, ValueError) as error:
        raise cannot_start(job.folder, error) from error


def _claimed(folder: Path, record: Record) -> float:
    claim = read_claim(folder, record.token, record.newest)
    return claim.made if claim else 0


def clock_of(opened: SharedFolder) -> float:
    """What the folder's file system has for a clock, in seconds since 1970.

    Raises:
        OSError: the folder cannot be written.
    """
    name = opened.unfinished("dispatch_clock")
    opened.create(name, b"")
    try:
        return opened.status(name).st_mtime
    finally:
        opened.remove(name)


def cannot_start(folder: Path, error: OSError | ValueError) -> WriteError:
    """What to say if a job's next run is not started because of its files."""
    what = error.strerror if isinstance(error, OSError) else str(error)
    return WriteError(
        f"The job in {folder} was not started again, because its files cannot be used ({what}): "
        "free space on the disk or correct the folder's permissions, and try again."
    )
