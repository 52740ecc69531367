"""A project's pins as a table: version, the site's default, image files, and the jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..config.catalogue import Catalogue
from ..errors import NotInCatalogue
from ..images.pins import Pin
from ..jobs.history import History, jobs_with
from .text_table import text_table

__all__ = ["pin_table", "pin_text"]


def pin_table(
    pinned: Mapping[str, Pin], catalogue: Catalogue, history: History
) -> list[dict[str, Any]]:
    """A row for each pin, ready for JSON: name, version, sha256 by variant, the site's default,
    whether the catalogue has that version, its files, and the jobs that ran with it."""
    return [_row(name, pin, catalogue, history) for name, pin in pinned.items()]


def _row(name: str, pin: Pin, catalogue: Catalogue, history: History) -> dict[str, Any]:
    image = catalogue.images.get(name)
    try:
        builds = catalogue.find(name, pin.version)
    except NotInCatalogue:
        builds = None
    return {
        "name": name,
        "version": pin.version,
        "sha256": dict(pin.sha256),
        "default": image.default if image else None,
        "in_catalogue": builds is not None,
        "files": [
            {
                "variant": each.build.variant,
                "path": str(each.path),
                "exists": each.path.is_file(),
            }
            for each in builds or ()
        ],
        "jobs": jobs_with(history.runs, name, pin.version),
    }


def pin_text(table: Sequence[Mapping[str, Any]]) -> str:
    """The table for people, a line for each pin below the heads of its columns."""
    rows = [("image", "pinned", "site's default", "jobs", "files")]
    for row in table:
        files = [
            file["variant"] if file["exists"] else f"{file['variant']} (file missing)"
            for file in row["files"]
        ]
        known = ", ".join(files) if row["in_catalogue"] else "not in the catalogue"
        default = row["default"] or "none"
        rows.append((row["name"], row["version"], default, str(len(row["jobs"])), known or "none"))
    return text_table(rows)
