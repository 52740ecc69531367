"""Entries of a record in the form that the dispatcher gives them; ValueError for any other.

Text is what a path or a word can be: without a zero byte, and with bytes for all its characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

__all__ = ["entry", "names_of_variables", "number", "sha256", "text", "texts"]

_Kind = TypeVar("_Kind")
_MOST = 2**63  # what a file system counts with


def entry(of: Mapping[str, Any], key: str, kind: type[_Kind]) -> _Kind:
    """An entry of that type."""
    value = of[key]
    if type(value) is not kind:
        raise ValueError(f"{key} is no {kind.__name__}")
    return value


def text(of: Mapping[str, Any], key: str) -> str:
    """An entry that is text."""
    return _text(of[key], key)


def texts(of: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """An entry that is a list of texts."""
    return tuple(_text(value, key) for value in entry(of, key, list))


def _text(value: object, key: str) -> str:
    if type(value) is not str or "\0" in value:
        raise ValueError(f"{key} is no text")
    value.encode(errors="surrogateescape")
    return value


def number(of: Mapping[str, Any], key: str, most: int = _MOST) -> int:
    """An entry that is a whole number from 0 to `most`."""
    value = entry(of, key, int)
    if not 0 <= value <= most:
        raise ValueError(f"{key} is {value if abs(value) <= _MOST else 'too large'}")
    return value


def sha256(of: Mapping[str, Any]) -> str:
    """The entry of that name."""
    found = text(of, "sha256")
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise ValueError("sha256 is no digest")
    return found


def names_of_variables(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The variables of the entry ``environment``."""
    names = texts(record, "environment")
    if not all(re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) for name in names):
        raise ValueError("a variable without a name")
    return names
