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
from .shared_files import shared_folder
from .users import owner_of

__all__ = ["locked"]

_LONGEST = 300  # bytes that a lock file holds: who has the lock
# What a file system without locks answers: some NFS, Lustre without -o flock, some of FUSE.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@contextmanager
def locked(
    path: Path,
    what: str,
    seconds: float = 30,
    doing: str = "changing",
    *,
    if_there_are_locks: bool = False,
) -> Iterator[None]:
    """Hold the lock file `path` (made if missing, kept afterwards) while the block runs.

    `what` names the thing that is guarded and `doing` what the holder does with that thing: both
    are for the sentence if another process holds the lock for longer than `seconds`. Those who may
    change the folder may take the lock. The lock goes when the process ends, however that ends. The
    process that holds the lock may remove the file. With `if_there_are_locks`, a file system that
    has none lets the block run without.

    Raises:
        WriteError: the file cannot be made, or another holds the lock and does not let go.
    """
    descriptor = _held(path, what, seconds, doing, if_there_are_locks)
    if descriptor is None:
        yield
        return
    try:
        holder = f"{os.environ.get('USER', os.getuid())} (process {os.getpid()} on "
        _write_holder(descriptor, f"{holder}{os.uname().nodename})\n")
        yield
        _write_holder(descriptor, "")
    finally:
        os.close(descriptor)


def _write_holder(descriptor: int, holder: str) -> None:
    """Write into the lock who holds it, unless the file seems to be something else.

    That is a file that is too long, or one of other names too, which may be anywhere. On a full
    disk, and in a file that this user may not write, the lock holds without its owner's name.
    """
    with suppress(OSError):
        found = os.fstat(descriptor)
        if found.st_size <= _LONGEST and found.st_nlink == 1:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder[:_LONGEST].encode(), 0)


def _held(
    path: Path, what: str, seconds: float, doing: str, if_there_are_locks: bool
) -> int | None:
    """A descriptor of the file at `path`, with its lock; None where there are no locks."""
    end = time.monotonic() + seconds
    while True:
        descriptor = _opened(path, what)
        try:
            _wait(descriptor, path, what, end, doing)
            if _is_at(descriptor, path):
                return descriptor
        except BaseException as error:
            os.close(descriptor)
            why = error.__cause__
            if if_there_are_locks and isinstance(why, OSError) and why.errno in _NO_LOCKS:
                return None
            raise
        os.close(descriptor)  # removed by who held it, while this waited


def _opened(path: Path, what: str) -> int:
    try:
        with shared_folder(path.parent) as folder:
            return folder.opened_lock(path.name)
    except OSError as error:
        owner = _owner_who_closed(path, error)
        way_out = (
            f"ask {owner} to run `chmod g+rw` on that file, or to remove the file{_or_you(path)}"
            if owner
            else "correct the permissions of that file or of its folder"
        )
        raise WriteError(
            f"{what} cannot be locked, because {path} cannot be opened ({error.strerror}): "
            f"{way_out}."
        ) from error


def _or_you(path: Path) -> str:
    """What this user can do about another's file, where the folder lets them."""
    with suppress(OSError):
        if os.access(path.parent, os.W_OK) and not path.parent.stat().st_mode & stat.S_ISVTX:
            return "; or remove the file yourself, while nobody submits a job there"
    return ""


def _owner_who_closed(path: Path, error: OSError) -> str | None:
    """The other user whose file it is, if the file is closed to this user."""
    with suppress(OSError):
        if isinstance(error, PermissionError) and path.lstat().st_uid != os.getuid():
            return owner_of(path)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
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
                owner = owner_of(path)
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
