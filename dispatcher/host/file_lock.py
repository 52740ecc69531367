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
    path: Path, what: str, seconds: float = 30, shared: bool = False, doing: str = "changing"
) -> Iterator[None]:
    """Hold the lock file `path` (made if missing, kept afterwards) while the block runs.

    `what` names the thing that is guarded and `doing` what the holder does with that thing: both
    are for the sentence if another process holds the lock for longer than `seconds`. `shared`:
    users of other groups take the lock as well. The lock goes when the process ends, however that
    ends. The process that holds the lock may remove the file.

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
            f"{what} cannot be locked, because {path} cannot be opened ({error.strerror}): correct "
            "the permissions of that file or of its folder."
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
                    f"{what} is locked, because {holder or 'another process'} is {doing} it "
                    f"({path}): wait until that process has finished, and try again."
                ) from None
            time.sleep(0.05)
        except OSError as error:
            if error.errno == errno.EBADF:  # NFS, and the file was opened for reading
                owner = user_name(os.fstat(descriptor).st_uid)
                raise WriteError(
                    f"{what} cannot be locked, because {path} belongs to {owner} and you may not "
                    f"write that file: ask {owner} to run `chmod g+w` on the file, or to remove "
                    "the file."
                ) from error
            raise WriteError(
                f"{what} cannot be locked, because the file system of {path} does not support "
                f"locks ({error.strerror}): ask your admin to turn on locks (flock) for that file "
                "system."
            ) from error
