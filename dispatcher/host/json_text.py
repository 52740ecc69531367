"""JSON in files that others can write: any bytes are read, or refused in a clause.

Names of files are bytes. Python keeps a byte that is no UTF-8 as a lone surrogate, and so does
this JSON (``\\udce9``): its text is plain UTF-8, which every program can read.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from ..printable import HIDDEN

__all__ = ["DEEPEST", "json_object", "json_text"]

DEEPEST = 20  # objects and lists in each other; no file of ours has ten
_NESTED = (dict, list)


def json_object(content: bytes) -> dict[str, Any]:
    """The object that a file holds; bytes that are no UTF-8 become halves of characters.

    Raises:
        ValueError: the content is no JSON object, has a key twice, is nested too deeply, or has a
            number that no file of ours has; the text is a clause that says so.
    """
    try:
        found = json.loads(
            content.decode(errors="surrogateescape"),
            object_pairs_hook=_once,
            parse_constant=_no_number,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{place}: it is not valid JSON: {error.msg}") from error
    except RecursionError as error:
        raise ValueError("its objects or lists are nested too deeply") from error
    except ValueError as error:
        if isinstance(error, _Refused):
            raise
        raise ValueError("it has a number of thousands of digits") from error
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object {…}")
    _refuse_depth(found)
    return found


def json_text(value: object, indent: int | None = 2) -> str:
    """JSON as text that shows as it is on any terminal, and that any program reads."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if text.isascii() and "\x7f" not in text:
        return text
    return re.sub(rf"(?!\n){HIDDEN}", lambda found: f"\\u{ord(found[0]):04x}", text)


class _Refused(ValueError):
    """What Python's JSON takes and this does not."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Refused(f"it has the key {json_text(twice)[:80]} twice")
    return found


def _no_number(word: str) -> NoReturn:
    raise _Refused(f"{word} is no number of JSON")


def _refuse_depth(found: dict[str, Any]) -> None:
    level: list[Any] = [found]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, _NESTED)
        ]
        if not level:
            return
    raise _Refused("its objects or lists are nested too deeply")
