"""Writing files whole or not at all, and keeping what was there before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from ..errors import WriteError
from .shared_files import is_unfinished, shared_folder

__all__ = [
    "create_whole",
    "is_from_this_user_alone",
    "keep_previous",
    "remove_unfinished",
    "write_atomically",
]


def write_atomically(
    path: Path,
    content: str | bytes,
    then: str = "and submit the job again.",
    mode: int = 0o666,
    *,
    shared: bool = False,
) -> None:
    """Write `content` beside `path`, and rename it to `path`.

    `then` ends the sentence of the error: what to do once the folder can be written. The file gets
    `mode`, less the process's umask. Those who may change the folder may change a `shared` file.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    raw = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    try:
        with shared_folder(path.parent) as folder:
            folder.replace(path.name, raw, mode, shared=shared)
    except OSError as error:
        raise WriteError(
            f"{path} cannot be written ({error.strerror}): free space on the disk or correct the "
            f"folder's permissions, {then}"
        ) from error


def keep_previous(path: Path) -> None:
    """Rename an existing file to ``NAME.1``, ``NAME.2``, …: a continued job keeps its history.

    Raises:
        WriteError: it cannot be renamed.
    """
    name = path.name
    try:
        with shared_folder(path.parent) as folder:
            if not folder.holds(name):
                return
            kept = next(each for n in count(1) if not folder.holds(each := f"{name}.{n}"))
            folder.rename(name, kept)
    except OSError as error:
        raise WriteError(
            f"{path} cannot be renamed ({error.strerror}): correct the folder's permissions, and "
            "submit the job again."
        ) from error


def is_from_this_user_alone(path: Path) -> bool:
    """Whether a file is this user's, and nobody else may write it: False if there is no file."""
    try:
        found = path.lstat()
    except OSError:
        return False
    others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and not others_write


def remove_unfinished(folder: Path, names: Iterable[str]) -> None:
    """Remove what processes that were killed while they wrote these files have left of them."""
    with suppress(OSError), shared_folder(folder) as opened:
        for left in opened.names():
            if any(is_unfinished(left, name) for name in names):
                with suppress(OSError):
                    opened.remove(left)


def create_whole(path: Path, content: str, then: str) -> None:
    """Make a file that people share, whole or not at all, unless there is one: of several processes
    at once, one makes it, also where there are no locks. `then` is as for `write_atomically`.

    Raises:
        FileExistsError: there is something of that name.
        WriteError: the folder cannot be written, or the disk is full.
    """
    try:
        with shared_folder(path.parent) as folder:
            folder.create_whole(path.name, content.encode(errors="surrogateescape"))
    except FileExistsError:
        raise
    except OSError as error:
        raise WriteError(
            f"{path} cannot be written ({error.strerror}): free space on the disk or correct the "
            f"folder's permissions, {then}"
        ) from error
