"""Which RELION projects use this site's images: noted at dispatch, asked before one is removed.

Users' jobs may not write the site's folder. So the admin makes one folder that they may (mode 1777,
like /tmp), which holds a small file per project, named by the digest of its path.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from .shipped import site_folder
from .site import Site

__all__ = ["known_projects", "projects_folder", "remember"]


def projects_folder(site: Site) -> Path:
    """The folder of site.json's ``projects``; relative paths start at the site's folder."""
    return site_folder() / site.projects


def remember(project: Path, site: Site) -> None:
    """Note that the project has been dispatched for; never fails, as no job depends on it."""
    note = projects_folder(site) / hashlib.sha256(os.fsencode(project)).hexdigest()[:16]
    if note.exists():
        return
    with contextlib.suppress(OSError), open(note, "xb") as stream:
        stream.write(os.fsencode(project))


def known_projects(site: Site) -> Iterator[Path]:
    """The projects noted that still exist; none where there is no folder to note them in."""
    folder = projects_folder(site)
    for note in sorted(folder.iterdir()) if folder.is_dir() else []:
        with contextlib.suppress(OSError):
            project = Path(os.fsdecode(note.read_bytes()))
            if project.is_absolute() and project.is_dir():
                yield project
