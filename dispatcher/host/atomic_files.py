"""Writing files whole or not at all, and keeping what was there before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from ..errors import InputError, WriteError
from .shared_files import shared_folder

__all__ = ["keep_previous", "remove_unfinished", "write_atomically", "write_new"]


def write_atomically(
    path: Path,
    content: str | bytes,
    then: str = "and submit the job again.",
    mode: int | None = None,
    *,
    shared: bool = False,
    is_new: bool = False,
) -> None:
    """Write `content` beside `path`, and rename it to `path`.

    `then` ends the sentence of the error: what to do once the folder can be written. The file gets
    `mode`, or 0666, less the process's umask. Those who may change the folder may change a `shared`
    file, which has the `mode` at least. One that `is_new` takes the place of no other.

    Raises:
        FileExistsError: it would.
        WriteError: the folder cannot be written, or the disk is full.
    """
    raw = content.encode(errors="surrogateescape") if isinstance(content, str) else content
    with _written(path, then), shared_folder(path.parent) as folder:
        folder.replace(path.name, raw, mode, shared=shared, is_new=is_new)


def write_new(path: Path, content: str, then: str, mode: int = 0o666) -> None:
    """Write a file that a user named, and that is not there yet; see :func:`write_atomically`.

    Raises:
        InputError: something has that name, be it a link.
        WriteError: the folder cannot be written, or the disk is full.
    """
    try:
        with _written(path, then), shared_folder(path.parent) as folder:
            folder.create(path.name, content.encode(errors="surrogateescape"), mode)
    except FileExistsError as error:
        raise InputError(f"{path} already exists: remove the file, or name another.") from error


@contextmanager
def _written(path: Path, then: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
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


def remove_unfinished(folder: Path, names: Iterable[str]) -> None:
    """Remove what processes that were killed while they wrote these files have left of them."""
    with suppress(OSError), shared_folder(folder) as opened:
        for left in opened.names():
            if any(_is_unfinished(left, name) for name in names):
                with suppress(OSError):
                    opened.remove(left)


def _is_unfinished(left: str, name: str) -> bool:
    """Whether the file `left` is what a process that was killed has left of the file `name`.

    Versions up to 0.2.0 named such files by a process id, or put nothing between.
    """
    return re.fullmatch(rf"\.{re.escape(name)}\.(([0-9a-f]{{16}}\.)?new|[0-9]+)", left) is not None
