"""JSON laid out for people: short lists and entries on one line, long lists filled to the width."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["as_text"]

_WIDTH = 100  # columns
_STEP = "  "


def as_text(content: Mapping[str, Any]) -> str:
    """The object as text: keys in the order they have, and a new line at the end."""
    return _laid_out(content, "", 0) + "\n"


def _laid_out(value: Any, margin: str, used: int) -> str:
    """`value` as text on lines that begin with `margin`, the first with `used` columns taken."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value:
        return line
    inner = margin + _STEP
    if margin and _is_flat(value) and used + len(line) < _WIDTH:
        return line
    if isinstance(value, list):
        if not any(isinstance(each, dict | list) for each in value):
            return f"[\n{_filled(value, inner)}\n{margin}]"
        items = [inner + _laid_out(each, inner, len(inner)) for each in value]
        return "[\n" + ",\n".join(items) + f"\n{margin}]"
    items = []
    for key, each in value.items():
        start = f"{inner}{json.dumps(key, ensure_ascii=False)}: "
        items.append(start + _laid_out(each, inner, len(start)))
    return "{\n" + ",\n".join(items) + f"\n{margin}}}"


def _is_flat(value: Any) -> bool:
    """Whether there is no object inside."""
    inside = value.values() if isinstance(value, dict) else value
    return not any(isinstance(each, dict) or not _is_flat_list(each) for each in inside)


def _is_flat_list(value: Any) -> bool:
    return not isinstance(value, list) or _is_flat(value)


def _filled(values: list[Any], margin: str) -> str:
    """The values of a long list, as many on each line as fit."""
    lines: list[str] = []
    for number, value in enumerate(values):
        word = json.dumps(value, ensure_ascii=False) + ("," if number < len(values) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(word) <= _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(margin + word)
    return "\n".join(lines)
