"""Taking images out of the catalogue, and which version new projects get."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..config.site import Site
from ..errors import DispatchError, ImageError, WriteError
from .edit_catalogue import COMMENT, check_editable, edit
from .known_projects import known_projects, projects_folder
from .pins import PIN_FILE, pins

__all__ = ["Pinned", "delete", "pinned_in", "remove", "set_default"]


class Pinned(NamedTuple):
    """The known projects that pin a version, and those whose pins cannot be read from here."""

    projects: tuple[Path, ...]
    unreadable: tuple[Path, ...]


def pinned_in(site: Site, name: str, version: str, variant: str | None = None) -> Pinned:
    """Which of the projects known to the site pin this version.

    With `variant` only those that have used it, or for which nothing tells what they have used.
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


def remove(
    site: Site, name: str, version: str, variant: str | None, even_if_pinned: bool
) -> list[Path]:
    """Take a version, or one variant of it, out of the catalogue; the files that only it listed.

    Raises:
        ImageError: it is not there, is the default while others remain, or projects pin it.
        WriteError: the catalogue cannot be written.
    """
    catalogue = check_editable()
    with edit() as content:
        builds = _versions(content, name, version, catalogue)[version]
        gone = [build for build in builds if variant in (None, build["variant"])]
        kept = [build for build in builds if build not in gone]
        if variant and not gone:
            known = ", ".join(build["variant"] for build in builds)
            raise ImageError(f'{name} {version} has no variant "{variant}": it has {known}.')
        pinned = pinned_in(site, name, version, variant if kept else None)
        if any(pinned) and not even_if_pinned:
            raise ImageError(_who_pins(site, name, version, pinned))
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
        still = {path.resolve() for path in _files(content, catalogue.parent)}
    files = dict.fromkeys(catalogue.parent / build["path"] for build in gone)
    return [file for file in files if file.resolve() not in still]


def _who_pins(site: Site, name: str, version: str, pinned: Pinned) -> str:
    said = []
    if pinned.projects:
        said.append(f"projects are pinned to it: {', '.join(map(str, pinned.projects))}")
    if pinned.unreadable:
        said.append(
            "it is not known whether projects are that you may not look into, that are not mounted "
            "here, or whose pin file is damaged (one that has gone for good is forgotten when its "
            f"note is removed from the folder {projects_folder(site)}): "
            f"{', '.join(map(str, pinned.unreadable))}"
        )
    return (
        f"{name} {version} stays, for {'; and '.join(said)}. Move them (`relion-dispatch pin "
        f"{name} VERSION` in each), or say it twice: --even-if-pinned {version}; the next jobs of "
        f"those that are pinned will be refused, with a sentence that names {PIN_FILE}."
    )


def delete(file: Path) -> None:
    """Delete an image file that the catalogue no longer lists.

    Raises:
        WriteError: that is not allowed.
    """
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(
            f"The image is out of the catalogue, but {file} cannot be deleted ({error.strerror}): "
            "delete it as its owner."
        ) from error


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


def _files(content: dict[str, Any], folder: Path) -> Iterator[Path]:
    """The files that an edited catalogue lists."""
    for image in (content[name] for name in content if name != COMMENT):
        for builds in (image["versions"][each] for each in image["versions"] if each != COMMENT):
            yield from (folder / build["path"] for build in builds)


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
