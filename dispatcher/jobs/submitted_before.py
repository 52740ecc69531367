"""Whether a job's current submission was made already, or is being made by another process.

RELION calls the hook once for each run, and writes the submission script anew before it does.
Other callers (a wrapper that tries again, a user in a second terminal) may call it twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..record import SUBMISSION, read_record
from .exit_files import end_of

__all__ = ["is_being_submitted", "submitted_before"]


def is_being_submitted(record: Mapping[str, Any], name: str) -> bool:
    """Whether the process that wrote the record still works on it; for records of this machine."""
    try:
        command = Path(f"/proc/{record.get('pid')}/cmdline").read_bytes()
    except OSError:
        return False
    return f"{name}/{SUBMISSION}".encode() in command


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
    if record.get("host") == os.uname().nodename and is_being_submitted(record, name):
        return f"{name} is being submitted by process {record.get('pid')}: this call does nothing."
    return None
