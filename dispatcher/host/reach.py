"""Who can read or start a file, by the modes of the file and of all folders that lead to it?

Whoever asks may be root, or the file's owner, and so sees what others do not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from .regular_files import opened_input

__all__ = ["EVERYBODY", "Readers", "closed_to", "readers_of"]

_ACCESS_LIST = "system.posix_acl_access"
_READ, _STARTED, _ENTERED = 0o4, 0o1, 0o1


class Readers(NamedTuple):
    """All users of the machine, or those of any of these groups."""

    everybody: bool
    groups: Collection[int] = ()


EVERYBODY = Readers(True)


def readers_of(path: Path) -> Readers:
    """Who can read that file, or list that folder; nobody but its owner for no groups.

    Raises:
        OSError: it cannot be looked at.
    """
    if closed_to(EVERYBODY, path) is None:
        return EVERYBODY
    groups = {each.stat().st_gid for each in _steps(path)}
    return Readers(
        False, [each for each in groups if closed_to(Readers(False, [each]), path) is None]
    )


def closed_to(readers: Readers, path: Path, *, started: bool = False) -> Path | None:
    """The first folder on the way to the path, or the path, that is closed to some of the readers.

    They read the path, or start it as a program. What has an access list is taken for open:
    somebody has thought of who may read it. ``deploy/install/reach.sh`` gives the same answers.

    Raises:
        OSError: it cannot be looked at.
    """
    end = path.resolve()
    for step in _steps(path):
        found = step.stat()
        needs = _ENTERED if step != end else _needs(end, found, started)
        if not _may(found, needs, readers) and not _has_access_list(step):
            return step
    return None


def _needs(path: Path, found: os.stat_result, started: bool) -> int:
    """A folder's files are looked up as well, and a script is read by its interpreter."""
    if started:
        return _STARTED | _READ if _is_script(path) else _STARTED
    return _READ | _ENTERED if stat.S_ISDIR(found.st_mode) else _READ


def _is_script(path: Path) -> bool:
    try:
        with opened_input(path) as stream:
            return stream.read(2) == b"#!"
    except OSError:
        return False


def _may(found: os.stat_result, needs: int, readers: Readers) -> bool:
    if found.st_mode & needs == needs:
        return True
    of_group = found.st_mode >> 3 & needs == needs
    return of_group and not readers.everybody and set(readers.groups) <= {found.st_gid}


def _has_access_list(path: Path) -> bool:
    try:
        return bool(os.getxattr(path, _ACCESS_LIST))
    except OSError:
        return False


def _steps(path: Path) -> Iterator[Path]:
    """The folders that lead to a path, as it is written and without links, and what it leads to."""
    written, real = path.absolute(), path.resolve()
    yield from dict.fromkeys([*reversed(written.parents), *reversed(real.parents), real])
