"""Who may read and write a file that several people keep: those who may change its folder.

The umask of one of them says nothing about what the others need. Nothing is opened to people to
whom neither the folder nor the file before was open.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import NamedTuple

__all__ = ["Shared", "give", "lock_mode", "shared_mode"]

_STICKY, _WRITE_OTHERS = stat.S_ISVTX, stat.S_IWOTH


class Shared(NamedTuple):
    """Group and mode of a file that several people keep."""

    group: int
    mode: int


def shared_mode(
    folder: os.stat_result, before: os.stat_result | None = None, least: int = 0
) -> Shared:
    """What fits a file in the `folder`, in the place of the file `before`.

    A new file has the mode `least` at least; who may read any file may run it if `least` says so.

    Those who may change the folder may read and write the file; others may read what they might
    read before, or else what they may list. In a sticky folder, as /tmp is, a file is its owner's.
    """
    model = before or folder
    group = folder.st_gid if folder.st_mode & stat.S_IWGRP else model.st_gid
    mode = stat.S_IRUSR | stat.S_IWUSR
    for each in (folder, model):
        if each.st_gid == group:
            mode |= each.st_mode & (stat.S_IRGRP | stat.S_IWGRP)
    mode |= model.st_mode & (stat.S_IROTH | _WRITE_OTHERS)
    if not folder.st_mode & _WRITE_OTHERS or folder.st_mode & _STICKY:
        mode &= ~_WRITE_OTHERS
    mode |= mode >> 2 & least & 0o111
    return Shared(group, mode if before else mode | least)


def lock_mode(folder: os.stat_result) -> Shared:
    """What fits a lock: whoever may open the file can hold the lock, so nobody else may open it."""
    group, mode = shared_mode(folder)
    if not folder.st_mode & stat.S_IWGRP:
        mode &= ~(stat.S_IRGRP | stat.S_IWGRP)
    if not folder.st_mode & _WRITE_OTHERS:
        mode &= ~stat.S_IROTH
    return Shared(group, mode)


def give(descriptor: int, wanted: Shared, before: os.stat_result | None = None) -> None:
    """Give a file that this process made its group and mode; from root also the owner `before`.

    If this user is not in the group, the file's own group may do what all others may.
    """
    for owner in (before.st_uid if before else -1, -1):
        with suppress(OSError):
            os.fchown(descriptor, owner, wanted.group)
            break
    mode = wanted.mode
    if os.fstat(descriptor).st_gid != wanted.group:
        mode = mode & ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
    with suppress(OSError):  # a file system without modes
        os.fchmod(descriptor, mode)
