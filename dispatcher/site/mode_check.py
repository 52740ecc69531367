"""Files and locks that earlier versions left closed to colleagues, or open to everybody.

A file of this user is mended: its content goes into a new file with the mode that the folder
suggests, and a lock is removed, to be made anew. No mode of a file that is there is changed, for
another file may have been moved to its name. What is another user's is named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..config.json_files import LONGEST, parsed
from ..config.places import site_folder
from ..config.site import load_site
from ..errors import DispatchError
from ..host.file_lock import locked
from ..host.json_text import json_object
from ..host.shared_files import SharedFolder, shared_folder
from ..host.shared_modes import Shared, lock_mode, shared_mode
from ..host.users import owner_of, owners_of
from ..images.known_projects import known_projects
from ..images.pins import LOCK_FILE, PIN_FILE
from ..jobs.folder_lock import LOCK
from ..relion.pipeline import PIPELINE
from ..units import count

__all__ = ["Modes", "look_at_modes"]


class Modes(NamedTuple):
    """Sentences on what was mended, on what shuts this user out, and on what else is wrong."""

    mended: list[str]
    problems: list[str]
    remarks: list[str]


def look_at_modes() -> Modes:
    """Mend or name the modes of the site's files, of known projects' pins, and of the locks.

    Of the project in this folder, the locks of its jobs are looked at as well.
    """
    found = Modes([], [], [])
    _look(site_folder(), ("images.json", "site.json"), found)
    here = Path.cwd()
    projects = {here} if (here / PIPELINE).is_file() else set[Path]()
    with suppress(DispatchError, OSError):
        projects.update(known_projects(load_site()))
    for project in sorted(projects):
        _look(project, (PIN_FILE,), found)
    if here in projects:
        others: list[Path] = []
        for folder in sorted(here.glob("*/job*/")):
            _look(folder, (), found, others)
        found.remarks.extend(_of_others(here, others))
    return found


def _of_others(project: Path, others: list[Path]) -> Iterator[str]:
    """A sentence for each user whose locks of jobs do not fit their folders."""
    locks_of: dict[str, list[Path]] = {}
    for owner, lock in zip(owners_of(others), others, strict=True):
        locks_of.setdefault(owner, []).append(lock)
    for owner, locks in locks_of.items():
        yield (
            f"The modes of {count(len(locks), 'lock')} of jobs of {owner} do not fit the jobs' "
            f"folders (the first is {locks[0]}): ask {owner} to run `relion-dispatch check` in "
            f"{project}."
        )


def _look(
    path: Path, files: tuple[str, ...], found: Modes, others: list[Path] | None = None
) -> None:
    """Look at these files and the locks of a folder; what is another user's goes to `others`."""
    with suppress(OSError), shared_folder(path) as folder:
        for name in sorted(folder.names()):
            is_lock = name in (LOCK, LOCK_FILE) or (name.endswith(".json.lock"))
            if is_lock or name in files:
                with suppress(OSError):
                    _look_at(folder, name, is_lock, found, others)


def _look_at(
    folder: SharedFolder,
    name: str,
    is_lock: bool,
    found: Modes,
    others: list[Path] | None,
) -> None:
    file, of_folder = folder.status(name), folder.status()
    if not stat.S_ISREG(file.st_mode) or file.st_nlink != 1:
        return  # who uses it is told what it is
    wanted = lock_mode(of_folder) if is_lock else shared_mode(of_folder, file)
    if _fits(file, wanted, is_lock):
        return
    path, mode = folder.path / name, stat.S_IMODE(file.st_mode)
    if file.st_uid == os.getuid():
        if _fits(file, _reachable(wanted, of_folder), is_lock):
            found.remarks.append(
                f"{path} has mode {mode:04o}, so that colleagues cannot use the file, and you are "
                "not in the group of its folder: ask your admin to put you into that group."
            )
            return
        try:
            _mend(folder, name, is_lock)
        except (DispatchError, OSError, ValueError) as error:
            found.problems.append(f"{path} has mode {mode:04o} and cannot be mended: {error}")
        else:
            found.mended.append(f"{path} had mode {mode:04o}, which did not fit its folder.")
        return
    if others is not None:
        others.append(path)
        return
    closed = not os.access(path, os.R_OK | (0 if is_lock else os.W_OK))
    whom = "colleagues cannot use the file" if _is_closed(file, wanted) else "anybody can hold it"
    (found.problems if closed else found.remarks).append(
        f"{path} has mode {mode:04o}, so that {whom}: ask {owner_of(path)} to run "
        f"`relion-dispatch check` in {folder.path}, or `chmod {wanted.mode:o}` on the file."
    )


def _reachable(wanted: Shared, folder: os.stat_result) -> Shared:
    """What a new file of this user gets of that: nobody gives a file to another's group."""
    groups = (os.getegid(), *os.getgroups())
    if os.getuid() == 0 or folder.st_mode & stat.S_ISGID or wanted.group in groups:
        return wanted
    return Shared(os.getegid(), wanted.mode & ~0o070 | (wanted.mode & 0o007) << 3)


def _fits(file: os.stat_result, wanted: Shared, is_lock: bool) -> bool:
    too_open = stat.S_IMODE(file.st_mode) & ~wanted.mode & (0o077 if is_lock else 0o022)
    return not _is_closed(file, wanted) and not too_open


def _is_closed(file: os.stat_result, wanted: Shared) -> bool:
    """Whether those are shut out for whom the folder is."""
    missing = wanted.mode & ~file.st_mode & 0o066
    return bool(missing or (wanted.mode & 0o060 and file.st_gid != wanted.group))


def _mend(folder: SharedFolder, name: str, is_lock: bool) -> None:
    """Put a file with the right mode in the place of one of this user's.

    Raises:
        WriteError: another process holds the lock.
        ConfigError: a file of the site is not what it should be.
        OSError: the folder cannot be written.
        ValueError: the file is not what bears that name.
    """
    path = folder.path / name
    lock = path if is_lock else folder.path / (LOCK_FILE if name == PIN_FILE else f"{name}.lock")
    with locked(lock, str(path), seconds=1):
        if is_lock:
            folder.remove(name)
            return
        content = folder.read(name, LONGEST)
        if name == PIN_FILE:
            json_object(content)
        else:
            parsed(content, path)
        folder.replace(name, content, shared=True, synced=True)
