"""Checked configurations, kept as JSON, so that the hook need not import pydantic and check them.

What is kept is data, never Python objects. Its file is named by the digest of what was checked and
of the dispatcher's code, because the code's defaults and rules are part of the result.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
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
    make = _maker(kind)
    return make(data) if make else data


_Maker = Callable[[Any], Any]


@functools.cache
def _maker(kind: Any) -> _Maker | None:
    """What makes values of the type `kind` from JSON's; None if they are JSON's own."""
    if kind is Path:
        return Path
    if isinstance(kind, type) and is_dataclass(kind):
        each = {key.name: _maker(inside(kind, key.name)) for key in fields(kind)}
        made = [(key, make) for key, make in each.items() if make]

        def dataclass_of(data: dict[str, Any]) -> Any:
            values = dict(data)
            for key, make in made:
                values[key] = make(values[key])
            return kind(**values)

        return dataclass_of
    origin = get_origin(kind)
    if origin is tuple:
        return lambda data: tuple(_built(inside(kind, at), value) for at, value in enumerate(data))
    if origin in (dict, list):
        inner = _maker(inside(kind, 0))
        return _maker_of_each(inner, origin) if inner else None
    of = members(kind)
    makers = [maker for each in of if len(of) > 1 and (maker := _maker(each))]
    if len(makers) != 1:
        return None
    # X | None, X | bool
    return lambda data: data if data is None or isinstance(data, bool) else makers[0](data)


def _maker_of_each(make: _Maker, origin: Any) -> _Maker:
    if origin is dict:
        return lambda data: {key: make(value) for key, value in data.items()}
    return lambda data: [make(value) for value in data]
