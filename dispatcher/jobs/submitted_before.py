"""Whether a job's current submission was made already, or is being made by another process.

RELION calls the hook once for each run, and writes the submission script anew before it does.
Other callers (a wrapper that tries again, a user in a second terminal) may call it twice.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..record import SUBMISSION, read_record
from .exit_files import end_of

__all__ = ["HOOK", "age", "at_work", "hook_at_work", "is_being_submitted", "submitted_before"]

HOOK = ".dispatch_hook"  # which process works on a job that has no record yet
BEING_SUBMITTED = 600  # seconds after which no process of another machine submits a job any more


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Let others know, while the block runs, which process works on the job."""
    note = folder / HOOK
    with suppress(OSError):
        note.write_text(json.dumps({"host": os.uname().nodename, "pid": os.getpid()}))
    try:
        yield
    finally:
        with suppress(OSError):
            note.unlink()


def hook_at_work(folder: Path) -> Mapping[str, Any] | None:
    """What a hook has noted on itself for the current run; None where there is no such note."""
    try:
        note = folder / HOOK
        if note.stat().st_mtime < (folder / SUBMISSION).stat().st_mtime:
            return None
        found = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def is_being_submitted(process: Mapping[str, Any], folder: Path) -> bool:
    """Whether the process that wrote the record, or the note, still works on the job.

    One of another machine is believed to, until the submission script has a certain age.
    """
    if process.get("host") != os.uname().nodename:
        return age(folder) < BEING_SUBMITTED
    try:
        command = Path(f"/proc/{process.get('pid')}/cmdline").read_bytes()
    except OSError:
        return False
    return f"{folder.parent.name}/{folder.name}/{SUBMISSION}".encode() in command


def age(folder: Path) -> float:
    """Seconds since RELION wrote the submission script."""
    try:
        return time.time() - (folder / SUBMISSION).stat().st_mtime
    except OSError:
        return 0


def submitted_before(folder: Path, name: str) -> str | None:
    """A sentence on the submission that another call has made of this run; None if none has.

    A submission that was refused, that has ended, or whose process died before it knew the job's
    id does not count: the job may be submitted anew.
    """
    record = read_record(folder)
    if record is None or "run" in record or "refused" in record or end_of(folder):
        return None
    if job_id := record.get("job_id"):
        return (
            f"{name} was submitted before, as job {job_id}, and RELION has not asked for it again: "
            "this second call does nothing. If that job is gone, `relion-dispatch status` tells "
            "RELION so."
        )
    if is_being_submitted(record, folder):
        return (
            f"{name} is being submitted by process {record.get('pid')} of {record.get('host')}: "
            "this call does nothing."
        )
    return None
