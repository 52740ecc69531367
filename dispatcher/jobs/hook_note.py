"""Which process is submitting a job at this moment, as far as its notes tell."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..relion.submission import SUBMISSION

__all__ = ["HOOK", "at_work", "hook_at_work", "is_being_submitted", "is_this_process"]

HOOK = ".dispatch_hook"  # which process works on a job that has no record yet
_LONGEST_SUBMISSION = 600  # seconds, for a process of another machine, which cannot be seen


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Let others know, while the block runs, which process works on the job."""
    note = folder / HOOK
    with suppress(OSError):
        note.write_text(json.dumps({"host": os.uname().nodename, "pid": os.getpid()}))
    try:
        yield
    finally:
        found = hook_at_work(folder)  # None on a full disk: then the note is empty, or not there
        if found is None or is_this_process(found):
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


def is_this_process(process: Mapping[str, Any]) -> bool:
    """Whether a record or a note names the process that we are."""
    return (process.get("host"), process.get("pid")) == (os.uname().nodename, os.getpid())


def is_being_submitted(process: Mapping[str, Any], folder: Path) -> bool:
    """Whether the process that wrote the record, or the note, still works on the job.

    One of another machine is believed to, until the submission script has a certain age.
    """
    if process.get("host") != os.uname().nodename:
        return _age(folder) < _LONGEST_SUBMISSION
    try:
        command = Path(f"/proc/{process.get('pid')}/cmdline").read_bytes()
    except OSError:
        return False
    return f"{folder.parent.name}/{folder.name}/{SUBMISSION}".encode() in command


def _age(folder: Path) -> float:
    """Seconds since RELION wrote the submission script."""
    try:
        return time.time() - (folder / SUBMISSION).stat().st_mtime
    except OSError:
        return 0
