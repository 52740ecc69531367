"""A lock on a file, for what several people or programs may change at the same moment."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import WriteError
from .users import user_name

__all__ = ["locked"]


@contextmanager
def locked(
    path: Path, what: str, seconds: float = 30, shared: bool = False, doing: str = "changed"
) -> Iterator[None]:
    """Hold the lock file `path` (made if missing, kept afterwards) while the block runs.

    `what` names the thing that is guarded and `doing` what is done to it, for the sentence when
    another holds it for longer than `seconds`. `shared`: users of other groups take it as well.
    The lock goes with the process, however that ends. Who holds it may remove its file.

    Raises:
        WriteError: the file cannot be made, or another holds the lock and does not let go.
    """
    descriptor = _held(path, what, seconds, shared, doing)
    try:
        with suppress(OSError):  # a full disk: the lock holds without its owner's name
            os.ftruncate(descriptor, 0)
            holder = f"{os.environ.get('USER', os.getuid())} (process {os.getpid()} on "
            os.pwrite(descriptor, f"{holder}{os.uname().nodename})\n".encode(), 0)
        yield
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _held(path: Path, what: str, seconds: float, shared: bool, doing: str) -> int:
    """A descriptor of the file at `path`, with its lock."""
    end = time.monotonic() + seconds
    while True:
        descriptor = _opened(path, what)
        try:
            with suppress(OSError):  # another user's already
                _open_to_others(descriptor, path, shared)
            _wait(descriptor, path, what, end, doing)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # removed by who held it, while this waited


def _opened(path: Path, what: str) -> int:
    try:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError:  # another user made it
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise WriteError(
            f"{what} cannot be locked, because {path} cannot be opened ({error.strerror}): "
            "mend the permissions of that file or its folder."
        ) from error


def _open_to_others(descriptor: int, path: Path, shared: bool) -> None:
    """Let those write the file who may write its folder: a lock on NFS needs that."""
    if shared:
        os.fchmod(descriptor, 0o666)
        return
    folder = path.parent.stat()
    if folder.st_mode & stat.S_IWGRP:
        os.fchown(descriptor, -1, folder.st_gid)
        os.fchmod(descriptor, os.fstat(descriptor).st_mode & 0o777 | 0o060)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _wait(descriptor: int, path: Path, what: str, end: float, doing: str) -> None:
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
            if error.errno == errno.EBADF:  # NFS, and the file was opened for reading
                owner = user_name(os.fstat(descriptor).st_uid)
                raise WriteError(
                    f"{what} cannot be locked, because {path} belongs to {owner} and you may not "
                    "write it: let its owner `chmod g+w` or remove it."
                ) from error
            raise WriteError(
                f"{what} cannot be locked: {path} is on a file system without locks "
                f"({error.strerror}): ask your admin to turn on locks (flock) there."
            ) from error
