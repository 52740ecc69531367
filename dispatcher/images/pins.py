"""Pins: the image versions that a RELION project has settled on.

Kept at the project's root in ``.relion_dispatch.json``, readable, to stay with the project's files;
the digests are those of the variants that the project has used:

    {"images": {"relion": {"version": "5.1.0", "sha256": {"cuda12": "9f86d08…"}}}}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError
from ..host.atomic_files import write_atomically
from ..host.file_lock import locked
from ..host.json_text import json_object, json_text
from ..host.shared_files import read_file
from .choice import ChosenImage

__all__ = ["PIN_FILE", "Pin", "move", "pins", "settle"]

PIN_FILE = ".relion_dispatch.json"
LOCK_FILE = ".relion_dispatch.lock"
_LONGEST = 1 << 20  # bytes of a pin file


class Pin(NamedTuple):
    """The version of an image that a project uses, and the digests of its variants used so far."""

    version: str
    sha256: Mapping[str, str] = {}


def pins(project: Path) -> dict[str, Pin]:
    """Image name → pin; empty if nothing is pinned yet.

    Raises:
        ConfigError: the file is not what it should be.
    """
    return {
        name: Pin(entry["version"], entry.get("sha256") or {})
        for name, entry in _read(project / PIN_FILE)["images"].items()
    }


def settle(project: Path, choice: ChosenImage) -> Pin:
    """Pin the image that was chosen, unless the project has a pin for it; return what stands.

    Of two first jobs at once, one pins, and the other gets that pin. On a file system without
    locks that holds for the project's first pin; of two that are added to it at once, one may be
    lost, and the next job pins it again.

    Raises:
        ConfigError: the pin file is not what it should be.
        WriteError: the project's folder cannot be written.
    """
    found = pins(project).get(choice.name)
    if found and not _adds(found, choice):
        return found
    path = project / PIN_FILE
    what = f"The pin file {path}"
    while True:
        with locked(project / LOCK_FILE, what, if_there_are_locks=True):
            is_first = not os.path.lexists(path)
            content = _read(path)
            found = pins(project).get(choice.name, Pin(choice.version))
            if not _adds(found, choice) and choice.name in content["images"]:
                return found
            if _adds(found, choice):
                assert choice.sha256 is not None
                found = Pin(found.version, {**found.sha256, choice.variant: choice.sha256})
            with suppress(FileExistsError):  # another job's, which was as quick: this follows it
                _write(path, content, choice.name, found, is_first=is_first)
                return found


def _adds(pin: Pin, choice: ChosenImage) -> bool:
    """Whether the choice is of the pinned version, and the first of its variant."""
    new = choice.sha256 is not None and choice.variant not in pin.sha256
    return new and pin.version == choice.version


def move(project: Path, name: str, version: str) -> Pin | None:
    """Pin the image `name` to `version`, whatever was pinned; return the pin before.

    Raises:
        ConfigError: the pin file is not what it should be.
        WriteError: the project's folder cannot be written.
    """
    path = project / PIN_FILE
    with locked(project / LOCK_FILE, f"The pin file {path}"):
        content = _read(path)
        before = pins(project).get(name)
        _write(path, content, name, Pin(version))
    return before


def _write(
    path: Path, content: dict[str, Any], name: str, pin: Pin, *, is_first: bool = False
) -> None:
    from ..config.schema_address import SCHEMA, schema_address  # for few jobs

    content["images"][name] = {"version": pin.version, "sha256": dict(pin.sha256)}
    schema = {SCHEMA: schema_address("pins", path)}
    text = json_text({**schema, **content, **schema}) + "\n"
    write_atomically(path, text, "and try again.", shared=True, is_new=is_first)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json_object(read_file(path, _LONGEST))
    except FileNotFoundError:
        return {"images": {}}
    except OSError as error:
        raise ConfigError(
            f"The pin file {path} cannot be read ({error.strerror}): put a file there that you may "
            "read, or remove it to pin the site's default versions again."
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"The pin file {path} is damaged ({error}): correct the file, or remove it to pin the "
            "site's default versions again."
        ) from error
    images = content.get("images")
    if not (isinstance(images, dict) and all(_is_pin(entry) for entry in images.values())):
        raise ConfigError(
            f'{path}: expected {{"images": {{NAME: {{"version": "…", "sha256": {{VARIANT: '
            '"…"}}}}: correct the pin file, or remove the file to pin the site\'s default '
            "versions again."
        )
    return content


def _is_pin(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("version"), str):
        return False
    digests = entry.get("sha256") or {}
    return isinstance(digests, dict) and all(isinstance(each, str) for each in digests.values())
