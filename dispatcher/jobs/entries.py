"""Entries of a job's record and notes, checked as they are read: others may have written them.

What is wrong raises ValueError with a clause that names the key. Only what is used is checked, so
that records of other versions can be read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..scheduler.job_ids import is_job_id

__all__ = ["bounded_number", "job_id", "number", "object_of", "path", "text", "token"]

_TOKEN = re.compile("[0-9a-f]{12}")
_NUMBER = re.compile("-?[0-9]{1,18}", re.ASCII)


def token(entries: Mapping[str, Any]) -> str:
    """The token, which is a part of files' names; "" in a record that has none."""
    found = text(entries, "token") or ""
    if found and not _TOKEN.fullmatch(found):
        raise ValueError('its "token" is not 12 hexadecimal digits')
    return found


def job_id(found: str | None) -> str | None:
    """An id as schedulers give them, None if it is not known."""
    if found is not None and not is_job_id(found):
        raise ValueError("its job id is none that a scheduler gives")
    return found


def text(entries: Mapping[str, Any], key: str) -> str | None:
    """A text, None if it is not known."""
    found = entries.get(key)
    if found is not None and not isinstance(found, str):
        raise ValueError(f'its "{key}" is not a text')
    return found


def number(entries: Mapping[str, Any], key: str, most: int) -> int | None:
    """A whole number from 0 to `most`, None if it is not known."""
    found = entries.get(key)
    if found is None:
        return None
    if type(found) is not int or not 0 <= found <= most:
        raise ValueError(f'its "{key}" is not a number from 0 to {most}')
    return found


def path(entries: Mapping[str, Any], key: str) -> Path | None:
    """An absolute path, None if it is not known."""
    found = text(entries, key)
    if found is None:
        return None
    try:
        is_path = found.startswith("/") and b"\0" not in os.fsencode(found)
    except UnicodeEncodeError:  # a lone surrogate
        is_path = False
    if not is_path:
        raise ValueError(f'its "{key}" is not the path of a folder')
    return Path(found)


def object_of(entries: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """An object in an object, None if it is not known."""
    found = entries.get(key)
    if found is not None and not isinstance(found, dict):
        raise ValueError(f'its "{key}" is not a JSON object {{…}}')
    return found


def bounded_number(word: str | None) -> int | None:
    """The number that a word of a note is, of 18 digits at most; None if it is none."""
    return int(word) if word and _NUMBER.fullmatch(word) else None
