"""Tell whether a hook is submitting a job at this moment, by its note or by the job's record."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import WriteError
from ..host.json_text import json_object
from ..host.shared_files import SharedFolder, read_file, shared_folder
from ..relion.submission import SUBMISSION
from . import entries
from .this_run import is_of_this_run

__all__ = ["HOOK", "HookProcess", "at_work", "hook_at_work", "is_being_submitted"]

HOOK = ".dispatch_hook"  # the note of the process that works on a job which has no record yet
_LONGEST_SUBMISSION = 600  # seconds, for a process of another machine, which cannot be seen
_LONGEST_NOTE = 4096  # bytes
_LARGEST_PID = (1 << 31) - 1


class HookProcess(NamedTuple):
    """The process of a hook: its machine and process id, None for what is not known."""

    host: str | None
    pid: int | None

    @classmethod
    def own(cls) -> HookProcess:
        """This process."""
        return cls(os.uname().nodename, os.getpid())

    @classmethod
    def recorded(cls, found: Mapping[str, Any]) -> HookProcess:
        """The process that a record or a note names.

        Raises:
            ValueError: machine or process id are not what they should be.
        """
        return cls(entries.text(found, "host"), entries.number(found, "pid", _LARGEST_PID))


@contextmanager
def at_work(folder: Path) -> Iterator[SharedFolder]:
    """Leave a note beside the job, while the block runs, that this process works on it.

    Yields the folder as it was opened. The note is the user's alone: whoever could change it could
    have later hooks wait for a process that does not submit the job.

    Raises:
        WriteError: the folder cannot be opened.
    """
    own = HookProcess.own()
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(shared_folder(folder))
        except OSError as error:
            raise WriteError(
                f"The job's folder {folder} cannot be opened ({error.strerror}): correct its "
                "permissions, and submit the job again."
            ) from error
        with suppress(OSError):
            opened.replace(HOOK, json.dumps(own._asdict()).encode(), 0o644)
        try:
            yield opened
        finally:
            # On a full disk there is no note: then no process is found in it.
            if hook_at_work(folder) in (None, own):
                with suppress(OSError):
                    opened.remove(HOOK)


def hook_at_work(folder: Path) -> HookProcess | None:
    """The process that a note beside the current run names; None without such a note.

    What is no note of this user's, or no file, names no process: whoever shares the project could
    have the hook do nothing otherwise.
    """
    try:
        note = folder / HOOK
        if note.lstat().st_uid != os.getuid() or not is_of_this_run(folder, HOOK):
            return None
        return HookProcess.recorded(json_object(read_file(note, _LONGEST_NOTE)))
    except (OSError, ValueError):
        return None


def is_being_submitted(hook: HookProcess, folder: Path) -> bool:
    """Whether the hook that wrote the record, or the note, still works on the job.

    A hook of another machine, or one that has not said yet which process it is, is believed to work
    until the submission script has a certain age.
    """
    if hook.host != os.uname().nodename:
        return _age(folder) < _LONGEST_SUBMISSION
    try:
        command = Path(f"/proc/{hook.pid}/cmdline").read_bytes()
    except OSError:
        return False
    return f"{folder.parent.name}/{folder.name}/{SUBMISSION}".encode() in command


def _age(folder: Path) -> float:
    """Seconds since RELION wrote the submission script."""
    try:
        return time.time() - (folder / SUBMISSION).stat().st_mtime
    except OSError:
        return 0
