"""Which types have the fields of a dataclass, and the values inside their values?"""

from __future__ import annotations

import functools
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

__all__ = ["inside", "members"]

_hints = functools.cache(get_type_hints)


def members(kind: Any) -> tuple[Any, ...]:
    """The types of a union; any other type by itself."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def inside(kind: Any, step: int | str) -> Any:
    """The type of what stands at one step in a value of the type `kind`; None if it has none."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _hints(kind).get(str(step))
    inner = get_args(kind)
    if get_origin(kind) is dict:
        return inner[1]
    if get_origin(kind) is tuple and isinstance(step, int) and inner[-1] is not Ellipsis:
        return inner[step] if step < len(inner) else None
    return inner[0] if get_origin(kind) in (list, tuple) else None
