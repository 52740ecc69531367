"""The lock of a job's folder, for what only one process may do at a time.

The hook holds it while it writes the job's record, and whoever tells RELION how the job ended holds
it while doing so: the watcher's script takes the same lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import WriteError
from ..host.file_lock import locked

__all__ = ["folder_locked"]

LOCK = ".dispatch.json.lock"


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a job's folder while the block runs.

    If the lock cannot be taken (a file system without locks, a holder that hangs), the block runs
    without it: RELION must learn how a job ended.
    """
    with ExitStack() as stack:
        with suppress(WriteError):
            stack.enter_context(locked(folder / LOCK, f"The folder {folder}", seconds=5))
        yield
