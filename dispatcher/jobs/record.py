"""The record of a job, ``JOB/dispatch.json``: read, and changed without losing what others add.

The hook, the job script, the watcher and ``relion-dispatch status`` may all write to a job's
folder at the same moment. Each holds the folder's lock while it does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import WriteError
from ..host.atomic_files import write_atomically
from ..host.file_lock import locked
from ..refusal import say
from ..relion.submission import SUBMISSION

__all__ = ["RECORD", "change_record", "folder_locked", "note", "read_record", "record_text"]

RECORD = "dispatch.json"
LOCK = ".dispatch.json.lock"


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a job's folder while the block runs.

    Where it cannot be had (a file system without locks, a holder that hangs) the block runs without
    it: RELION must learn how a job ended.
    """
    with ExitStack() as stack:
        with suppress(WriteError):
            stack.enter_context(locked(folder / LOCK, f"The folder {folder}", seconds=5))
        yield


def read_record(folder: Path, *, of_any_run: bool = False) -> dict[str, Any] | None:
    """The record of the job's current submission.

    None where there is none, where it cannot be read, or where RELION has written the job's
    submission script since: then it is an earlier run's, and only wanted `of_any_run`.
    """
    file = folder / RECORD
    try:
        written = file.stat().st_mtime
        record = json.loads(file.read_bytes())
        submitted = (folder / SUBMISSION).stat().st_mtime
    except FileNotFoundError:
        if not file.exists():
            return None
        submitted = written
    except (OSError, ValueError):
        return None
    current = of_any_run or written >= submitted
    return record if isinstance(record, dict) and current else None


def change_record(folder: Path, token: str, **changes: object) -> bool:
    """Set keys of the record, if it is still that of `token`; whether it was.

    Raises:
        WriteError: the folder cannot be written.
    """
    with folder_locked(folder):
        record = read_record(folder)
        if record is None or record.get("token") != token:
            return False
        write_atomically(folder / RECORD, record_text({**record, **changes}))
        return True


def note(folder: Path, token: str, **changes: object) -> None:
    """Change the record by what is good to know, but no reason to stop: a failure is only said."""
    try:
        change_record(folder, token, **changes)
    except WriteError as error:
        say(f"relion-dispatch: {error}")


def record_text(record: dict[str, Any]) -> str:
    """The record as its file has it: each key of the object on a line of its own."""
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
