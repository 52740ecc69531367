"""Folders within folders that other people can write: made for those people, and removed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from .shared_files import SharedFolder, shared_folder
from .shared_modes import Shared, give, shared_mode

__all__ = ["make_folders", "remove_tree"]


def make_folders(path: Path) -> list[Path]:
    """Make a folder and those above it that are missing; what was made, the outermost first.

    Everybody may read and enter them; those who may change the folder above may change them, and a
    set group goes on.

    Raises:
        OSError: one cannot be made.
    """
    missing = [each for each in (path, *path.parents) if not os.path.lexists(each)]
    made = []
    for each in reversed(missing):
        with shared_folder(each.parent) as above:
            try:
                os.mkdir(each.name, 0o700, dir_fd=above.descriptor)
            except FileExistsError:  # another process was quicker
                continue
            made.append(each)
            # For fchmod, a descriptor must be one to read from.
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(each.name, flags, dir_fd=above.descriptor)
            try:
                found = above.status()
                group, mode = shared_mode(found, least=0o755)
                mode |= (mode & 0o444) >> 2
                give(descriptor, Shared(group, mode | found.st_mode & stat.S_ISGID))
            finally:
                os.close(descriptor)
    return made


def remove_tree(folder: SharedFolder, name: str, depth: int = 20) -> None:
    """Remove a folder with all that is in it, at most that deep; no link is followed.

    Raises:
        OSError: it cannot be removed, is a link, or holds more folders in each other.
    """
    if not depth:
        raise OSError(errno.ELOOP, "the folder holds too many folders in each other", name)
    with folder.inside(name) as inner:
        for each in inner.names():
            try:
                inner.remove(each)
            except IsADirectoryError:
                remove_tree(inner, each, depth - 1)
    os.rmdir(name, dir_fd=folder.descriptor)
