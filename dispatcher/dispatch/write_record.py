"""Write the job's record, ``JOB/dispatch.json``: the hook alone does, and more than once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import WriteError
from ..host.atomic_files import write_atomically
from ..host.json_text import json_text
from ..jobs.folder_lock import folder_locked
from ..jobs.record import LONGEST, RECORD, read_record
from ..refusal import say

__all__ = ["note", "record_text"]


def note(folder: Path, token: str, **changes: object) -> None:
    """Set keys of the record, if it is still that of the submission `token`.

    The job does not depend on these keys: if the folder cannot be written, the hook only says so.
    """
    try:
        with folder_locked(folder):
            record = read_record(folder)
            if record and record.token == token:
                text = record_text({**record.written, **changes})
                write_atomically(folder / RECORD, text)
    except WriteError as error:
        say(f"relion-dispatch: {error}")


def record_text(record: Mapping[str, Any]) -> str:
    """The record as its file has it: each key of the object on a line of its own.

    Raises:
        WriteError: nobody could read a record of this length.
    """
    text = json_text(record) + "\n"
    if len(text.encode()) > LONGEST:
        raise WriteError(
            f"The record of {record.get('job')} would be longer than {LONGEST >> 20} MB: name "
            "fewer files in the job's parameters, such as by a pattern or in a STAR file."
        )
    return text
