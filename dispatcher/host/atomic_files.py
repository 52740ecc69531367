"""Writing files whole or not at all, and keeping what was there before."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ..errors import WriteError

__all__ = ["is_from_this_user_alone", "keep_previous", "remove_unfinished", "write_atomically"]


def write_atomically(
    path: Path,
    content: str | bytes,
    then: str = "and submit the job again.",
    mode: int = 0o666,
) -> None:
    """Write `content` to a temporary file and rename it to `path`.

    `then` ends the sentence of the error: what to do once the folder can be written. The file gets
    `mode`, less the process's umask.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    raw = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # it may be another user's
        temporary.touch(mode, exist_ok=False)
        temporary.write_bytes(raw)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # a file system that became read-only keeps it
            temporary.unlink(missing_ok=True)
        raise WriteError(
            f"{path} cannot be written ({error.strerror}): free space on the disk or correct the "
            f"folder's permissions, {then}"
        ) from error


def keep_previous(path: Path) -> None:
    """Rename an existing file to ``NAME.1``, ``NAME.2``, …: a continued job keeps its history.

    Raises:
        WriteError: it cannot be renamed.
    """
    if not path.exists():
        return
    number = 1
    while path.with_name(f"{path.name}.{number}").exists():
        number += 1
    try:
        path.rename(path.with_name(f"{path.name}.{number}"))
    except OSError as error:
        raise WriteError(
            f"{path} cannot be renamed to {path.name}.{number} ({error.strerror}): correct the "
            "folder's permissions, and submit the job again."
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
    for name in names:
        for path in folder.glob(f".{name}.*"):
            if path.name.removeprefix(f".{name}.").isdigit():
                with contextlib.suppress(OSError):
                    path.unlink()
