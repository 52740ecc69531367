"""Changing the site's ``images.json``: one admin at a time, whole or not at all, comments kept.

A file that does not load is not touched, and none that would not load is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import json_edit
from ..config.catalogue import Catalogue, checked_catalogue, load_catalogue
from ..config.json_edit import COMMENT
from ..config.places import site_folder

__all__ = ["check_editable", "edit", "entry", "own_catalogue", "put", "set_default"]


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


def own_catalogue() -> Catalogue:
    """What the site's own ``images.json`` says now; no images if there is no such file.

    Raises:
        ConfigError: the file does not load.
    """
    path = site_folder() / "images.json"
    return load_catalogue(path) if path.exists() else Catalogue(images={}, path=path)


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
    """The entry of that name, version and variant in an edited catalogue, None if there is none.

    To change the entry is to change the catalogue.
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


def set_default(name: str, version: str) -> str:
    """Make it the version that new projects get; returns the default before.

    Raises:
        NotInCatalogue: it is not there.
        WriteError: the catalogue cannot be written.
    """
    with edit() as content:
        own_catalogue().find(name, version)
        before = str(content[name]["default"])
        content[name]["default"] = version
    return before
