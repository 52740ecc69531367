"""Taking images out of the catalogue, and which version new projects get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .catalogue_file import COMMENT, check_editable, edit
from .errors import DispatchError, ImageError
from .known_projects import known_projects
from .pins import PIN_FILE, pins
from .site import Site

__all__ = ["pinned_in", "remove", "set_default"]


def pinned_in(site: Site, name: str, version: str) -> list[Path]:
    """The projects known to the site that pin this version; those with a broken pin file too."""
    found = []
    for project in known_projects(site):
        try:
            pin = pins(project).get(name)
        except DispatchError:
            found.append(project)  # rather once too often
        else:
            if pin and pin.version == version:
                found.append(project)
    return found


def remove(
    site: Site, name: str, version: str, variant: str | None, even_if_pinned: bool
) -> list[Path]:
    """Take a version, or one variant of it, out of the catalogue; the files that it listed.

    Raises:
        ImageError: it is not there, is the default while others remain, or projects pin it.
        WriteError: the catalogue cannot be written.
    """
    catalogue = check_editable()
    with edit() as content:
        builds = _versions(content, name, version, catalogue)[version]
        gone = [build for build in builds if variant in (None, build["variant"])]
        kept = [build for build in builds if build not in gone]
        if not gone:
            known = ", ".join(build["variant"] for build in builds)
            raise ImageError(f'{name} {version} has no variant "{variant}": it has {known}.')
        pinned = pinned_in(site, name, version)
        if pinned and not even_if_pinned:
            raise ImageError(
                f"{name} {version} stays, for projects are pinned to it: "
                f"{', '.join(map(str, pinned))}. Move them (`relion-dispatch pin {name} VERSION` "
                f"in each), or say it twice: --even-if-pinned {version}; their next jobs will be "
                f"refused, with a sentence that names {PIN_FILE}."
            )
        versions = content[name]["versions"]
        if kept:
            versions[version] = kept
        else:
            del versions[version]
            others = [each for each in versions if each != COMMENT]
            if not others:
                del content[name]
            elif content[name]["default"] == version:
                raise ImageError(
                    f"{name} {version} stays, for it is the default: choose another first, "
                    f"`relion-dispatch images default {name} {others[-1]}`."
                )
    return [catalogue.parent / build["path"] for build in gone]


def set_default(name: str, version: str) -> str:
    """Make it the version that new projects get; the default before.

    Raises:
        ImageError: it is not in the catalogue.
        WriteError: the catalogue cannot be written.
    """
    catalogue = check_editable()
    with edit() as content:
        _versions(content, name, version, catalogue)
        before = str(content[name]["default"])
        content[name]["default"] = version
    return before


def _versions(content: dict[str, Any], name: str, version: str, catalogue: Path) -> dict[str, Any]:
    versions: dict[str, Any] = content.get(name, {}).get("versions", {})
    if version not in versions or version == COMMENT:
        known = [
            f"{each} {number}"
            for each, image in content.items()
            if each != COMMENT
            for number in image["versions"]
            if number != COMMENT
        ]
        raise ImageError(
            f"{name} {version} is not in the catalogue {catalogue}: it has "
            f"{', '.join(known) or 'no images'}."
        )
    return versions
