"""Writing a new site.json without harm to one that is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

from ...config import json_edit
from ...config.json_edit import without_comments
from ...config.json_files import read_json
from ...config.places import site_folder
from ...config.schema_address import SCHEMA, schema_address
from ...config.site import checked_site
from ...host.atomic_files import write_new
from .merge import add_missing_keys

__all__ = ["add_missing", "present", "replace", "site_json", "write"]


def site_json() -> Path:
    """The site's own file, there or not."""
    return site_folder() / "site.json"


def present() -> dict[str, Any]:
    """What the site's own file says; nothing if there is none, or only comments.

    Raises:
        ConfigError: it cannot be read.
    """
    path = site_json()
    return dict(without_comments(read_json(path))) if path.exists() else {}


def write(new: Mapping[str, Any]) -> None:
    """Write `new` in place of what is there.

    Raises:
        ConfigError: the site's folder does not exist, or the content would not load.
        WriteError: it cannot be written.
    """
    path = site_json()
    with _edited(load=lambda _: None) as content:
        schema = content.get(SCHEMA) or schema_address("site", path)
        content.clear()
        content.update({SCHEMA: schema, **new})


def replace(new: Mapping[str, Any]) -> Path:
    """As :func:`write`; the path of a copy of the file that was there."""
    path = site_json()
    checked_site(without_comments(dict(new)), path)
    copy = next(each for n in count(1) if not (each := path.with_name(f"{path.name}.{n}")).exists())
    write_new(copy, path.read_text(errors="surrogateescape"), "and try again.")
    write(new)
    return copy


def add_missing(new: Mapping[str, Any]) -> list[str]:
    """Add what the file lacks; the keys that were added, with dots between.

    What is there stays (merge.py). A partition or another object that is new gets its comments.

    Raises:
        ConfigError, WriteError: as for :func:`write`.
    """
    with _edited() as content:
        return list(add_missing_keys(content, new))


def _load(file: Path) -> object:
    return checked_site(read_json(file), file)


def _edited(load: Callable[[Path], object] = _load) -> AbstractContextManager[dict[str, Any]]:
    path = site_json()
    json_edit.check_folder(path, "site's file")
    return json_edit.edit(
        path, "site's file", load=load, check=lambda content: checked_site(content, path)
    )
