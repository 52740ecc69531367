"""A lock on a file, for what several people or programs may change at the same moment."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import WriteError

__all__ = ["locked"]


@contextmanager
def locked(
    path: Path, what: str, seconds: float = 30, shared: bool = False, doing: str = "changed"
) -> Iterator[None]:
    """Hold the lock file `path` (made if missing, kept afterwards) while the block runs.

    `what` names the thing that is guarded and `doing` what is done to it, for the sentence when
    another holds it for longer than `seconds`. `shared`: users of other groups take it as well.
    The lock goes with the process, however that ends.

    Raises:
        WriteError: the file cannot be made, or another holds the lock and does not let go.
    """
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:  # another user of the project made it
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise WriteError(
            f"{what} cannot be locked, as {path} cannot be opened ({error.strerror}): "
            "mend the permissions of that file or its folder."
        ) from error
    try:
        if shared:
            with suppress(OSError):  # another user's already; locks on NFS need a file to write
                os.fchmod(descriptor, 0o666)
        _wait(descriptor, path, what, seconds, doing)
        with suppress(OSError):  # a full disk: the lock holds without its owner's name
            os.ftruncate(descriptor, 0)
            holder = f"{os.environ.get('USER', os.getuid())} (process {os.getpid()} on "
            os.pwrite(descriptor, f"{holder}{os.uname().nodename})\n".encode(), 0)
        yield
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, what: str, seconds: float, doing: str) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                raise WriteError(
                    f"{what} is being {doing} by {holder or 'another process'}, who holds {path}: "
                    "wait until that is done, and try again."
                ) from None
            time.sleep(0.05)
        except OSError as error:
            raise WriteError(
                f"{what} cannot be locked: {path} is on a file system without locks "
                f"({error.strerror})."
            ) from error
