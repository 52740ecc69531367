"""Which RELION projects use this site's images? Each is noted when it uses one.

Users' jobs may not write the site's folder. So the admin makes one folder that they may (mode 1777,
like /tmp), which holds a small file per project, named by the digest of its path. What lies there
may be of anyone's making: links and pipes are not followed, and what is read is short.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ..config.places import site_folder
from ..config.site import Site
from ..errors import ConfigError

__all__ = ["known_projects", "projects_folder", "remember"]

_LONGEST = 4096  # bytes of a path, as Linux has it


def projects_folder(site: Site) -> Path:
    """The folder of site.json's ``projects``; relative paths start at the site's folder."""
    return site_folder() / site.projects


def remember(project: Path, site: Site) -> None:
    """Note that the project uses this site; never fails, as no job depends on it."""
    path = os.fsencode(project)
    with contextlib.suppress(OSError, ValueError):  # no folder, or one that is closed to this user
        note = _name_for(project, projects_folder(site) / hashlib.sha256(path).hexdigest()[:16])
        if os.path.lexists(note):
            return
        opened = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.fchmod(opened, 0o644)  # whatever the umask: the admin may be any user
            if os.write(opened, path) < len(path):  # a full disk
                note.unlink()
        except OSError:
            note.unlink()
        finally:
            os.close(opened)


def known_projects(site: Site) -> Iterator[Path]:
    """The projects that have a note and still exist; none if there is no folder for notes.

    Among them are those that this user cannot look into, and those that may lie on a file system
    that is not mounted here.

    Raises:
        ConfigError: the folder cannot be read.
    """
    folder = projects_folder(site)
    try:
        notes = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ConfigError(
            f"The folder {folder}, which holds a note of each project of this site, cannot be read "
            f"({error.strerror}): run `chmod 1777` on that folder."
        ) from error
    for project in dict.fromkeys(map(_noted, notes)):
        if project and project.is_absolute() and not _has_gone(project):
            yield project


def _name_for(project: Path, note: Path) -> Path:
    """`note`, unless something else has that name, as if to have the project forgotten."""
    if not os.path.lexists(note) or _noted(note) == project:
        return note
    others = (each for each in note.parent.glob(f"{note.name}.*") if _noted(each) == project)
    return next(others, note.with_name(f"{note.name}.{os.urandom(8).hex()}"))


def _noted(note: Path) -> Path | None:
    with contextlib.suppress(OSError):
        opened = os.open(note, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(opened).st_mode):
                return Path(os.fsdecode(os.read(opened, _LONGEST)))
        finally:
            os.close(opened)
    return None


def _has_gone(project: Path) -> bool:
    """Whether the project is known to have gone, or the path is not that of a folder."""
    try:
        return not stat.S_ISDIR(project.stat().st_mode)
    except FileNotFoundError:
        return _holds_something(project.parent)
    except ValueError:
        return True
    except OSError as error:
        return error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def _holds_something(folder: Path) -> bool:
    """Whether the folder is there, and not an empty place to mount a file system at."""
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return False
