"""Which of the projects known to the site are pinned to a version of an image?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..config.site import Site
from ..errors import DispatchError
from .known_projects import known_projects
from .pins import pins

__all__ = ["Pinned", "pinned_projects"]


class Pinned(NamedTuple):
    """The known projects that are pinned to a version, and those whose pins cannot be read here."""

    projects: tuple[Path, ...]
    unreadable: tuple[Path, ...]


def pinned_projects(site: Site, name: str, version: str, variant: str | None = None) -> Pinned:
    """The known projects that are pinned to this version.

    With `variant` only those that have used it, or whose pin does not tell what they have used.

    Raises:
        ConfigError: the folder of the site's projects cannot be read.
    """
    found, unreadable = [], []
    for project in known_projects(site):
        try:
            project.stat()  # on a file system that is not mounted, there is no pin file either
            pin = pins(project).get(name)
        except (DispatchError, OSError):
            unreadable.append(project)
        else:
            if not pin or pin.version != version:
                continue
            if variant is None or not pin.sha256 or variant in pin.sha256:
                found.append(project)
    return Pinned(tuple(found), tuple(unreadable))
