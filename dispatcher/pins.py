"""Pins: the image versions that a RELION project has settled on.

Kept at the project's root in ``.relion_dispatch.json``, readable, to stay with the project's files:

    {"images": {"relion": {"version": "5.1.0", "sha256": null}}}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .atomic_files import write_atomically
from .config_files import read_json
from .errors import ConfigError
from .images import Choice

__all__ = ["PIN_FILE", "pin", "pinned_versions"]

PIN_FILE = ".relion_dispatch.json"


def pinned_versions(project: Path) -> dict[str, str]:
    """Image name → pinned version; empty where nothing is pinned yet.

    Raises:
        ConfigError: the file is not what it should be.
    """
    return {name: str(entry["version"]) for name, entry in _read(project / PIN_FILE).items()}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    images = read_json(path).get("images")
    good = isinstance(images, dict) and all(
        isinstance(entry, dict) and isinstance(entry.get("version"), str)
        for entry in images.values()
    )
    if not good:
        raise ConfigError(
            f'{path}: expected {{"images": {{NAME: {{"version": "…"}}}}}}: mend the pin file, or '
            "remove it to pin the site's default versions anew."
        )
    return dict(images or {})


def pin(project: Path, choice: Choice) -> None:
    """Pin the image that was chosen, unless the project has a pin for it already.

    Raises:
        WriteError: the project's folder cannot be written.
    """
    path = project / PIN_FILE
    images = _read(path)
    if choice.name in images:
        return
    images[choice.name] = {"version": choice.version, "sha256": choice.sha256}
    write_atomically(path, json.dumps({"images": images}, indent=2) + "\n")
