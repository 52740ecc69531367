"""Changing the site's ``images.json``: one at a time, whole or not at all, and with its comments.

A file that does not load is not touched, and none that would not load is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import edit as site_json
from ..config.places import site_folder
from .choice import checked_catalogue, load_catalogue

__all__ = ["COMMENT", "check_editable", "edit", "entry", "put"]

COMMENT = site_json.COMMENT


def check_editable() -> Path:
    """The site's own ``images.json``, there already or not, which this user may change.

    Raises:
        ConfigError: the site's folder does not exist, or the file does not load.
        WriteError: this user may not write there.
    """
    path = site_folder() / "images.json"
    site_json.check_folder(path, "catalogue")
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
    with site_json.edit(
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
