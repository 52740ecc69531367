"""Checked configurations, kept as JSON, so that the hook need not import pydantic and check them.

What is kept is data, never Python objects. Its file is named by the digest of what was checked and
of the dispatcher's code, because the code's defaults and rules are part of the result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_origin

from ..host.kept_data import keep, kept
from .field_types import inside, members
from .places import code_digest

__all__ = ["kept_or_checked"]

T = TypeVar("T")


def kept_or_checked(kind: type[T], content: dict[str, Any], check: Callable[[], T]) -> T:
    """The `kind` that was kept for this `content`; if there is none, what `check` makes of it.

    `kind` is a dataclass of JSON's values, dataclasses, paths, and lists, dicts and tuples of them.

    Raises:
        ConfigError: as `check` does; then nothing is kept.
    """
    name = _name(kind, content)
    # What is missing or damaged is made again.
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        found: T = _built(kind, json.loads(kept("checked", name) or b""))
        return found
    checked = check()
    text = json.dumps(asdict(checked), default=str)  # type: ignore[call-overload]
    keep("checked", name, text.encode())
    return checked


def _name(kind: type[Any], content: dict[str, Any]) -> str:
    key = json.dumps([kind.__qualname__, code_digest(), content])
    return f"{hashlib.sha256(key.encode()).hexdigest()}.json"


def _built(kind: Any, data: Any) -> Any:
    """The value of the type `kind` that `asdict` and JSON turned into `data`."""
    if isinstance(kind, type) and is_dataclass(kind):
        return kind(**{key: _built(inside(kind, key), value) for key, value in data.items()})
    if kind is Path:
        return Path(data)
    origin = get_origin(kind)
    if origin is dict:
        return {key: _built(inside(kind, key), value) for key, value in data.items()}
    if origin in (list, tuple):
        return origin(_built(inside(kind, at), value) for at, value in enumerate(data))
    if data is not None and len(of := members(kind)) == 2:
        return _built(of[0], data)  # X | None
    return data
