"""Loading the JSON files of a site: parsed, stripped of comments, and checked.

The checking is pydantic's, on plain frozen dataclasses. What a file was checked to say is kept
(`kept_configs`), for importing pydantic and checking take more time than the rest of the hook.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

from ..errors import ConfigError
from ..host.json_text import DEEPEST
from ..host.shared_files import NotAFile, opened_input
from .explained import Describe, explained, nearest, switch_for_number
from .kept_configs import kept_or_checked
from .odd_values import first_oddity, in_words, may_be_odd

__all__ = [
    "LONGEST",
    "SCHEMA",
    "content_of",
    "load",
    "merge",
    "nearest",
    "parsed",
    "read_json",
    "strict",
]

T = TypeVar("T")

SCHEMA = "$schema"  # at the top of a file: for editors, and nothing here reads it

LONGEST = 4 << 20  # bytes of a file; a catalogue of a thousand images has one or two
_LONGEST_KEY = 1000  # characters
_MOST_VALUES = 200_000  # of a file, in all
_TOO_DEEP = "its objects or lists are nested too deeply: correct the file."


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,)
)
def strict(kind: type[T]) -> type[T]:
    """A frozen dataclass with named arguments, whose JSON may have no other keys."""
    kind.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, kw_only=True)(kind)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; see :func:`parsed`, which this calls.

    Raises:
        ConfigError: the file cannot be read, is no file, is too long, or holds what is refused.
    """
    return parsed(content_of(path), path)


def content_of(path: Path) -> bytes:
    """What a file holds.

    Raises:
        ConfigError: the file cannot be read, is no file, or is longer than any of ours.
    """
    try:
        with opened_input(path) as stream:
            content = stream.read(LONGEST + 1)
    except NotAFile as error:
        raise ConfigError(f"{path} is not a file: put the file of that name back.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}).") from error
    if len(content) > LONGEST:
        raise ConfigError(
            f"{path} is longer than {LONGEST >> 20} MB, which no such file is: put the right "
            "file there."
        )
    return content


def parsed(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object that a file holds; ``__comment__`` keys, even repeated ones, are dropped, and
    so is the ``$schema`` of the file, a text.

    Raises:
        ConfigError: it is no JSON, no object, nested too deeply, repeats another key, or has what
            no script can have: a lone surrogate, a zero byte, a key with a line break, a number
            that is not finite or of more than 64 bits. The sentence names the file `path`.
    """
    repeated: list[tuple[dict[str, Any], str]] = []
    text, found = _decoded(content, path, repeated)
    try:
        values = _values(found)
    except RecursionError as error:
        raise ConfigError(f"{path}: {_TOO_DEEP}") from error
    if values > _MOST_VALUES:
        raise ConfigError(
            f"{path} has {values} values, and may have {_MOST_VALUES}: take some out of the file."
        )
    if may_be_odd(text) and (what := first_oddity(found)):
        raise ConfigError(f"{path}: {what}.")
    for parent, key in repeated:
        name = in_words([*_steps_to(parent, found), key])
        raise ConfigError(f'{path}: the key "{name}" is there twice: keep one of the two.')
    if not isinstance(address := found.pop(SCHEMA, ""), str):
        raise ConfigError(
            f'{path}: key "{SCHEMA}": expected the path of a schema, found '
            f"{json.dumps(address)[:80]}: correct the key, or remove it."
        )
    return found


def _decoded(
    content: bytes, path: Path, repeated: list[tuple[dict[str, Any], str]]
) -> tuple[str, dict[str, Any]]:
    """A file's text and its object without comments; keys that an object has twice are noted."""

    def without_comments(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, value in pairs:
            if len(key) > _LONGEST_KEY:
                raise ConfigError(
                    f'{path}: the key "{in_words([key[:80]])}…" has more than {_LONGEST_KEY} '
                    "characters: write a shorter one."
                )
            if key in kept:
                repeated.append((kept, key))
            elif key != "__comment__":
                kept[key] = value
        return kept

    try:
        text = content.decode(json.detect_encoding(content))
        found = json.loads(text, object_pairs_hook=without_comments)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file in UTF-8: save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}."
        ) from error
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"{path}: not valid JSON: {error}.") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: {_TOO_DEEP}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a JSON object ({{…}}) at the top.")
    return text, found


def _values(value: dict[str, Any] | list[Any], above: int = 0) -> int:
    """How many values an object or list has; RecursionError if they are nested too deeply."""
    if above >= DEEPEST:
        raise RecursionError
    inside = value.values() if isinstance(value, dict) else value
    nested = (each for each in inside if isinstance(each, dict | list))
    return len(inside) + sum(_values(each, above + 1) for each in nested)


def _steps_to(inner: dict[str, Any], outer: dict[str, Any]) -> list[str]:
    """The keys that lead from `outer` to the object `inner`; none where they do not."""
    for key, value in outer.items():
        if value is inner:
            return [key]
        if isinstance(value, dict) and (steps := _steps_to(inner, value)):
            return [key, *steps]
    return []


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` changed by `over`, object by object; lists and values are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            value = merge(below, value)
        merged[key] = value
    return merged


def load(
    kind: type[T],
    content: dict[str, Any],
    where: str,
    describe: Describe = " → ".join,
    check: Callable[[T], None] = lambda _: None,
) -> T:
    """Check `content` against the dataclass `kind` and return it as one.

    `where` names the file, and `describe` turns the steps to a key (``["types", "refine",
    "image"]``) into words; `where` is empty if these words name the file as well.
    `check` raises ConfigError for what types alone do not tell; it looks at its argument only.

    Raises:
        ConfigError: naming `where`, the key, what was expected, and the nearest known name.
    """

    def checked() -> T:
        from pydantic import TypeAdapter, ValidationError

        try:
            found = TypeAdapter(kind).validate_python(content)
        except ValidationError as error:
            raise ConfigError(*explained(error, kind, where, describe)) from None
        if wrong := switch_for_number(kind, content, where, describe):
            raise ConfigError(wrong)
        check(found)
        return found

    return kept_or_checked(kind, content, checked)
