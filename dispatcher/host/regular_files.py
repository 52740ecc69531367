"""Open a regular file, and nothing else, without waiting for anybody.

A pipe of that name would never answer, and a device may do anything.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from os import PathLike
from pathlib import Path
from typing import BinaryIO

__all__ = ["NotAFile", "checked_name", "opened_input", "opened_regular"]

# Seconds for a program that holds a lease on the file, as Samba does, to let go. People's data may
# be on a slow client's or on tape; nobody has a reason to hold one on our own files.
_PATIENCE, _PATIENCE_FOR_INPUTS = 2, 20
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotAFile(OSError):
    """What bears a file's name is something else, or has other names; `strerror` says what."""

    def __init__(self, why: str, path: str | PathLike[str]) -> None:
        super().__init__(errno.EINVAL, why, str(path))


def checked_name(name: str) -> str:
    """The name itself, if a file in a folder can have it.

    Raises:
        OSError: it is a path, or no name at all.
    """
    try:
        is_name = "/" not in name and "\0" not in name and os.fsencode(name) not in (b"", b"..")
    except ValueError:  # a lone surrogate
        is_name = False
    if not is_name:
        raise OSError(errno.EINVAL, "no file can have this name", name)
    return name


def opened_regular(
    path: str | PathLike[str], flags: int, folder: int | None = None, shown: Path | None = None,
    patience: float = _PATIENCE,
) -> int:  # fmt: skip
    """A descriptor of a regular file, opened with `flags` (see open(2)).

    `folder` is the descriptor from which the path starts, and `shown` the path in sentences. Who
    holds a lease on the file gets `patience` seconds.

    Raises:
        OSError: as the system does; NotAFile for a pipe, a device, a folder.
    """
    name = shown or path
    flags |= os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    end = time.monotonic() + patience
    while True:
        try:
            descriptor = os.open(path, flags, dir_fd=folder)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        except ValueError as error:  # a zero byte, or a lone surrogate
            raise OSError(errno.EINVAL, "no file can have this name", str(name)) from error
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.EISDIR, errno.ELOOP):
                follow = not flags & os.O_NOFOLLOW
                found = os.stat(path, dir_fd=folder, follow_symlinks=follow)
                if not stat.S_ISREG(found.st_mode):
                    raise NotAFile(_kind(found), name) from error
            raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return descriptor
    os.close(descriptor)
    raise NotAFile(_kind(found), name)


def opened_input(path: str | PathLike[str]) -> BinaryIO:
    """Open a regular file for reading; its name may be a link, as data are often linked.

    Raises:
        OSError: as the system does; NotAFile for a pipe, a device, a folder.
    """
    return os.fdopen(opened_regular(path, os.O_RDONLY, patience=_PATIENCE_FOR_INPUTS), "rb")


def _kind(found: os.stat_result) -> str:
    return f"it is {_KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}, not a file"
