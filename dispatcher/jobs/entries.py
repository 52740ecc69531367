"""Entries of a job's record and notes, checked as they are read: others may have written them.

Each function takes an object and a key, and gives None for an entry that is missing or null. What
is wrong raises ValueError with a clause that names the key. Only what is used is checked, so that
records of other versions can be read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..scheduler.clusters import is_cluster
from ..scheduler.job_ids import is_job_id

__all__ = ["MOST", "cluster", "flag", "job_id", "needed", "not_used", "number", "object_of",
           "objects_of", "path", "sha256", "text", "texts", "token"]  # fmt: skip

MOST = 10**6  # ranks, threads, GPUs or nodes

_TOKEN = re.compile("[0-9a-f]{12}")
_SHA256 = re.compile("[0-9a-f]{64}")
_Kind = TypeVar("_Kind")


@contextmanager
def not_used(what: object) -> Iterator[None]:
    """Say of a file, whatever goes wrong in the block, that nothing of it is used.

    Raises:
        FileNotFoundError: as it is.
        ValueError: a clause that names the file.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{what} is not used: it cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ValueError(f"{what} is not used: {error}") from error


def needed(found: _Kind | None, key: str) -> _Kind:
    """The entry `key` that was found; ValueError if it was not."""
    if found is None:
        raise ValueError(f'its "{key}" is missing')
    return found


def text(entries: Mapping[str, Any], key: str) -> str | None:
    """A text that can be a part of a path or a word: each character has bytes, and none is zero."""
    found = entries.get(key)
    if found is not None and not _is_text(found):
        raise ValueError(f'its "{key}" is not a text')
    return found


def texts(entries: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """A list of such texts."""
    found = _list(entries, key)
    if found is None or all(map(_is_text, found)):
        return None if found is None else tuple(found)
    raise ValueError(f'its "{key}" is not a list of texts')


def number(entries: Mapping[str, Any], key: str, most: int = MOST, least: int = 0) -> int | None:
    """A whole number from `least` to `most`."""
    found = entries.get(key)
    if found is None:
        return None
    if type(found) is not int or not least <= found <= most:
        raise ValueError(f'its "{key}" is not a number from {least} to {most}')
    return found


def flag(entries: Mapping[str, Any], key: str) -> bool | None:
    """True or false."""
    found = entries.get(key)
    if found is not None and type(found) is not bool:
        raise ValueError(f'its "{key}" is not true or false')
    return found


def path(entries: Mapping[str, Any], key: str) -> Path | None:
    """An absolute path."""
    found = entries.get(key)
    if found is not None and not (_is_text(found) and found.startswith("/")):
        raise ValueError(f'its "{key}" is not an absolute path')
    return None if found is None else Path(found)


def object_of(entries: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """An object in an object."""
    found = entries.get(key)
    if found is not None and not isinstance(found, dict):
        raise ValueError(f'its "{key}" is not a JSON object {{…}}')
    return found


def objects_of(entries: Mapping[str, Any], key: str) -> list[dict[str, Any]] | None:
    """A list of objects."""
    found = _list(entries, key)
    if found is not None and not all(isinstance(each, dict) for each in found):
        raise ValueError(f'its "{key}" is not a list of JSON objects {{…}}')
    return found


def token(entries: Mapping[str, Any], key: str) -> str | None:
    """A token, which is a part of files' names."""
    return _of_form(entries, key, _TOKEN, "12 hexadecimal digits")


def sha256(entries: Mapping[str, Any], key: str) -> str | None:
    """The digest of a file."""
    return _of_form(entries, key, _SHA256, "64 hexadecimal digits")


def job_id(entries: Mapping[str, Any], key: str) -> str | None:
    """An id as schedulers give them, which is an argument of their commands."""
    found = text(entries, key)
    if found is not None and not is_job_id(found):
        raise ValueError(f'its "{key}" is none that a scheduler gives')
    return found


def cluster(entries: Mapping[str, Any], key: str) -> str | None:
    """The name of a cluster, which is a part of an option of the scheduler's commands."""
    found = text(entries, key)
    if found is not None and not is_cluster(found):
        raise ValueError(f'its "{key}" is none that a scheduler has')
    return found


def _list(entries: Mapping[str, Any], key: str) -> list[Any] | None:
    found = entries.get(key)
    if found is not None and not isinstance(found, list):
        raise ValueError(f'its "{key}" is not a list')
    return found


def _of_form(entries: Mapping[str, Any], key: str, form: re.Pattern[str], what: str) -> str | None:
    found = text(entries, key)
    if found and not form.fullmatch(found):
        raise ValueError(f'its "{key}" is not {what}')
    return found or None


def _is_text(found: object) -> bool:
    if not isinstance(found, str) or "\0" in found:
        return False
    try:
        return found.isascii() or bool(os.fsencode(found))
    except UnicodeEncodeError:  # a lone surrogate
        return False
