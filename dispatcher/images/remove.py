"""Taking a version or a variant out of the catalogue, unless somebody still needs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.catalogue import Catalogue, Listed
from ..config.site import Site
from ..errors import ImageError, WriteError
from ..host.shared_files import shared_folder
from .edit_catalogue import edit, own_catalogue
from .known_projects import projects_folder
from .pinned_projects import Pinned, pinned_projects
from .pins import PIN_FILE

__all__ = ["LeftFile", "delete", "remove"]

_MOST = 20  # projects that a sentence names


class LeftFile(NamedTuple):
    """The file of an entry that is gone, and the entries that list that file as well."""

    path: Path
    listed_by: tuple[Listed, ...]


def remove(
    site: Site, name: str, version: str, variant: str | None, even_if_pinned: bool
) -> list[LeftFile]:
    """Take a version, or one variant of it, out of the catalogue; the files that were listed.

    Raises:
        NotInCatalogue: it is not there.
        ImageError: it is the default while other versions remain, or projects are pinned to it.
        WriteError: the catalogue cannot be written.
    """
    with edit() as content:
        catalogue = own_catalogue()
        gone = catalogue.find(name, version, variant)
        variants = {each.build.variant for each in gone}
        entries = content[name]["versions"][version]
        kept = [entry for entry in entries if entry["variant"] not in variants]
        pinned = pinned_projects(site, name, version, variant if kept else None)
        if any(pinned) and not even_if_pinned:
            raise ImageError(_who_pins(site, gone, pinned, bool(kept)))
        if kept:
            content[name]["versions"][version] = kept
        elif others := [each for each in catalogue.images[name].versions if each != version]:
            if catalogue.images[name].default == version:
                raise ImageError(
                    f"{name} {version} stays, because it is the default: choose another default "
                    f"first with `relion-dispatch images default {name} {others[-1]}`."
                )
            del content[name]["versions"][version]
        else:
            del content[name]
    return _files_of(gone, catalogue)


def _files_of(gone: list[Listed], catalogue: Catalogue) -> list[LeftFile]:
    still = [each for each in catalogue.builds() if each not in gone]
    return [
        LeftFile(file, tuple(each for each in still if each.path.resolve() == file.resolve()))
        for file in dict.fromkeys(each.path for each in gone)
    ]


def _who_pins(site: Site, gone: list[Listed], pinned: Pinned, is_variant: bool) -> str:
    """Why these files of one version stay; of several variants, one is meant if `is_variant`."""
    name, version = gone[0].name, gone[0].version
    said = [f"{gone[0] if is_variant else f'{name} {version}'} stays in the catalogue."]
    if pinned.projects:
        whose = "have used this variant, or may have" if is_variant else "are pinned to it"
        said.append(f"These projects {whose}: {_listed(pinned.projects)}.")
    if pinned.unreadable:
        said.append(
            "These projects could not be checked (no permission, not mounted, or damaged pin "
            f"file): {_listed(pinned.unreadable)}. If a project no longer exists, "
            f"remove its note from the folder {projects_folder(site)}."
        )
    only = f" --variant {gone[0].build.variant}" if is_variant else ""
    said.append(
        f"Move the projects (`relion-dispatch pin {name} VERSION` in each), or remove it anyway: "
        f"`relion-dispatch images remove {name} {version}{only} --even-if-pinned {version}`. The "
        f"next jobs of pinned projects are then refused, with a sentence that names {PIN_FILE}."
    )
    return " ".join(said)


def _listed(projects: Sequence[Path]) -> str:
    more = f" and {len(projects) - _MOST} more" if len(projects) > _MOST else ""
    return ", ".join(map(str, projects[:_MOST])) + more


def delete(file: Path) -> None:
    """Delete an image file that the catalogue no longer lists.

    Raises:
        WriteError: that is not allowed.
    """
    try:
        with shared_folder(file.parent) as folder:
            folder.remove(file.name)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WriteError(
            f"The image is out of the catalogue, but {file} cannot be deleted ({error.strerror}): "
            "delete the file as its owner."
        ) from error
