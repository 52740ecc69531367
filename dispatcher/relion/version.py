"""Versions of RELION as images and pipelines name them."""

from __future__ import annotations

import re

__all__ = ["major_minor", "major_version"]


def major_version(version: str) -> int | None:
    """``5.1.0`` → 5; None if the version does not begin with a number."""
    found = re.match(r"v?([0-9]{1,9})(?![\w])", version)
    return int(found[1]) if found else None


def major_minor(version: str) -> tuple[int, int] | None:
    """'5.0.1-beta' -> (5, 0), '5' -> (5, 0); None for names that start with no number."""
    found = re.match(r"v?([0-9]{1,9})(?:\.([0-9]{1,9}))?", version)
    return (int(found[1]), int(found[2] or 0)) if found else None
