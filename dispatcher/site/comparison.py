"""What is equal between an exported site and the site here, and what is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..config.catalogue import load_catalogue
from ..config.json_files import SCHEMA
from ..config.places import config_path
from ..config.site import load_site
from ..errors import ConfigError
from .archive import SiteArchive, StoredFile
from .export import APPTAINER, FORM, Item, files_here, image_items, software_items

__all__ = ["Row", "compare", "without_places"]

_OF_THE_PLACE = ("path", "mtime", "weights")  # of a build: they may differ for the same file


class Row(NamedTuple):
    """An item of either site; `note` says where the item is, or how it differs."""

    what: str
    state: Literal["equal", "differs", "missing"]
    note: str = ""


def compare(exported: SiteArchive, ask_apptainer: bool = True) -> list[Row]:
    """Every thing of the exported site and of the site here; of images.json counts what it lists.

    The version of the site's Apptainer is left out if the program is not to be asked.

    Raises:
        ConfigError: the site.json here is wrong.
        InputError: a file of the site here cannot be read.
    """
    there = {**exported.values, **_digests(exported.files)}
    there.pop(FORM, None)
    here = software_items(load_site().apptainer.program if ask_apptainer else None)
    here |= {name: Item(digest) for name, digest in _digests(files_here()).items()}
    try:
        here |= image_items(load_catalogue(config_path("images.json")))
    except ConfigError as error:
        here["images"] = Item("", str(error))
    if not ask_apptainer:
        there.pop(APPTAINER, None)
    return [_row(what, here.get(what, Item("")), there.get(what)) for what in there | here]


def _row(what: str, here: Item, there: str | None) -> Row:
    if not here.value:
        return Row(what, "missing", here.note)
    if here.value == there:
        return Row(what, "equal", here.note)
    if there is None:
        return Row(what, "differs", "not in the export")
    note = f"{here.value} here, {there or 'not known'} there"
    return Row(what, "missing" if here.value == "none" else "differs", note)


def _digests(files: Mapping[str, StoredFile]) -> dict[str, str]:
    return {
        name: hashlib.sha256(without_places(name, file.content)).hexdigest()
        for name, file in files.items()
        if not name.startswith("definitions/")
    }


def without_places(name: str, content: bytes) -> bytes:
    """A file's content; of the catalogue without comments and without the images' paths."""

    def kept(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        is_build = any(key == "variant" for key, _ in pairs)
        dropped = ("__comment__", SCHEMA, *(_OF_THE_PLACE if is_build else ()))
        return {key: value for key, value in pairs if key not in dropped}

    if name != "site/images.json":
        return content
    try:
        return json.dumps(json.loads(content, object_pairs_hook=kept)).encode()
    except (ValueError, RecursionError):  # no JSON
        return content
