"""Changing the site's ``images.json``: one at a time, whole or not at all, and with its comments.

A file that does not load is not touched, and none that would not load is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import json_edit
from ..config.catalogue import Catalogue, Image, ImageFile, checked_catalogue, load_catalogue
from ..config.json_files import nearest
from ..config.places import site_folder
from ..errors import ImageError

__all__ = ["COMMENT", "builds_of", "check_editable", "edit", "entry", "image_named", "put"]

COMMENT = json_edit.COMMENT


def check_editable() -> Path:
    """The site's own ``images.json``, there already or not, which this user may change.

    Raises:
        ConfigError: the site's folder does not exist, or the file does not load.
        WriteError: this user may not write there.
    """
    path = site_folder() / "images.json"
    json_edit.check_folder(path, "catalogue")
    if path.exists():
        load_catalogue(path)
    return path


@contextmanager
def edit(seconds: float = 30) -> Iterator[dict[str, Any]]:
    """The content of the site's ``images.json``, to be changed in the block and then written.

    Raises:
        ConfigError: the file does not load, before or after, or was changed without the lock.
        WriteError: it cannot be written, or another does not let go of it.
    """
    path = check_editable()
    with json_edit.edit(
        path,
        "catalogue",
        load=load_catalogue,
        check=lambda content: checked_catalogue(content, path),
        seconds=seconds,
    ) as content:
        yield content


def entry(content: dict[str, Any], name: str, version: str, variant: str) -> dict[str, Any] | None:
    """The build of that name, version and variant in an edited catalogue, None where there is none.

    What is changed in it is changed in the catalogue.
    """
    builds = content.get(name, {}).get("versions", {}).get(version, [])
    return next((build for build in builds if build.get("variant") == variant), None)


def put(
    content: dict[str, Any],
    name: str,
    version: str,
    build: dict[str, Any],
    default: bool = False,
) -> None:
    """Add `build` to an edited catalogue, or replace that of its variant and keep its comment.

    The first version of a name is its default, a later one with `default`.
    """
    image = content.setdefault(name, {"default": version, "versions": {}})
    builds = image["versions"].setdefault(version, [])
    present = entry(content, name, version, build["variant"])
    if present is None:
        builds.append(build)
    else:
        comment = {COMMENT: present[COMMENT]} if COMMENT in present else {}
        present.clear()
        present.update({**comment, **build})
    if default:
        image["default"] = version


def builds_of(catalogue: Catalogue, name: str, version: str) -> list[ImageFile]:
    """The builds of an image's version, as someone names them.

    Raises:
        ImageError: there is no such image, or no such version of it.
    """
    versions = image_named(catalogue, name).versions
    if version not in versions:
        raise ImageError(
            f"The catalogue {catalogue.path} has no {name} {version}"
            f"{nearest(version, list(versions)) or '.'} It has {', '.join(versions)}."
        )
    return versions[version]


def image_named(catalogue: Catalogue, name: str) -> Image:
    """The image of that name, as someone gives it.

    Raises:
        ImageError: there is none.
    """
    if name not in catalogue.images:
        raise ImageError(
            f'There is no image "{name}" in the catalogue {catalogue.path}'
            f"{nearest(name, list(catalogue.images)) or '.'} It has "
            f"{', '.join(catalogue.images) or 'none'}."
        )
    return catalogue.images[name]
