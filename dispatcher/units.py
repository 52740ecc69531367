"""Sizes and numbers as people write and read them: "32G", "3 classes"."""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import ConfigError

__all__ = ["Size", "bytes_of", "count", "gigabytes", "read_size"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(([KMGT]?)(?:i?B)?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Size(NamedTuple):
    """A number of units of so many bytes each, and the unit's name as it was written ("GiB")."""

    number: float
    unit: int
    name: str


def read_size(text: str) -> Size | None:
    """The size that the text is; None for any other text."""
    found = _SIZE.fullmatch(text.strip())
    return Size(float(found[1]), _UNITS[found[3].upper()], found[2]) if found else None


def bytes_of(size: int | str | None, where: str) -> int | None:
    """``"32G"`` → 34359738368; a number is bytes already.

    Raises:
        ConfigError: naming `where`, for anything else.
    """
    if size is None or isinstance(size, int):
        return size
    found = read_size(size)
    if found is None:
        raise ConfigError(f'{where}: expected bytes or a size like "32G", found "{size}"')
    return int(found.number * found.unit)


def count(number: int, noun: str) -> str:
    """'1 class', '3 classes', '2 GPUs'."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def gigabytes(size: int) -> str:
    """Bytes for people: 32212254720 -> '32.2 GB' (10^9 bytes)."""
    return f"{size / 1e9:.1f} GB"
