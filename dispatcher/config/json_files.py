"""Loading the JSON files of a site: parsed, stripped of comments, and checked.

The checking is pydantic's, on plain frozen dataclasses. What a file was checked to say is kept
(`kept_configs`), for importing pydantic and checking take more time than the rest of the hook.
"""

from __future__ import annotations

import dataclasses
import json
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform, get_args, get_type_hints

from ..errors import ConfigError
from .kept_configs import kept_or_checked

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["load", "merge", "nearest", "read_json", "strict"]

T = TypeVar("T")

_DEEPEST = 20  # objects and lists in each other; no file of ours has ten
_TOO_DEEP = "its objects or lists are nested too deeply: correct the file."


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(dataclasses.field,)
)
def strict(kind: type[T]) -> type[T]:
    """A frozen dataclass with named arguments, whose JSON may have no other keys."""
    kind.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, kw_only=True)(kind)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; ``__comment__`` keys, even repeated ones, are dropped.

    Raises:
        ConfigError: the file cannot be read, is no file or no JSON, no object, nested too deeply,
            repeats another key, or has half of a character, which no script can have.
    """

    repeated: list[tuple[dict[str, Any], str]] = []

    def without_comments(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, value in pairs:
            if key in kept:
                repeated.append((kept, key))
            elif key != "__comment__":
                kept[key] = value
        return kept

    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would never answer
            raise ConfigError(f"{path} is not a file: put the file of that name back.")
        content = path.read_bytes()
        found = json.loads(content, object_pairs_hook=without_comments)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}).") from error
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
    if _depth(found) > _DEEPEST:
        raise ConfigError(f"{path}: {_TOO_DEEP}")
    if b"\\ud" in content.lower():
        _refuse_half_characters(found, path)
    for parent, key in repeated:
        name = ".".join([*_steps_to(parent, found), key])
        raise ConfigError(f'{path}: the key "{name}" is there twice: keep one of the two.')
    return found


def _refuse_half_characters(found: Any, path: Path) -> None:
    for key, text in _texts(found):
        try:
            text.encode(errors="surrogateescape")  # bytes of paths that are not UTF-8 may pass
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"{path}: key {json.dumps(key)}: {json.dumps(text)} has half of a character in it: "
                "write the whole character."
            ) from error


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text, names of keys among them, and the key at which the text stands."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict | list):
        for step, inside in value.items() if isinstance(value, dict) else enumerate(value):
            below = f"{key}.{step}" if key else str(step)
            if isinstance(step, str):
                yield below, step
            yield from _texts(inside, below)


def _depth(value: Any, above: int = 0) -> int:
    """How deeply objects and lists are nested, as far as it matters."""
    if above > _DEEPEST or not isinstance(value, dict | list):
        return above
    inside = value.values() if isinstance(value, dict) else value
    return max((_depth(each, above + 1) for each in inside), default=above + 1)


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
    describe: Callable[[Sequence[str]], str] = " → ".join,
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
            known = sorted(_field_names(kind))
            lines = (_explain(found, where, describe, known) for found in _merged(error.errors()))
            raise ConfigError("\n".join(dict.fromkeys(lines))) from None
        check(found)
        return found

    return kept_or_checked(kind, content, checked)


def nearest(name: str, known: list[str]) -> str:
    """``'; did you mean "nproc"?'``, or nothing if no known name is similar."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _field_names(kind: Any) -> set[str]:
    """All keys that `kind` and the dataclasses inside it know."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = [field.name for field in dataclasses.fields(kind)]
        return {*fields, *(name for key in fields for name in _field_names(hints[key]))}
    return {name for inner in get_args(kind) for name in _field_names(inner)}


def _merged(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """One error for each key: pydantic has one for every member of a union, named in its place."""
    merged: dict[tuple[int | str, ...], ErrorDetails] = {}
    for error in errors:
        *steps, last = error["loc"]
        is_member = last in ("bool", "int", "float", "str") or "[" in str(last)
        place = tuple(steps) if is_member else error["loc"]
        if place in merged:
            expected = error["msg"].removeprefix("Input should be a valid ")
            merged[place]["msg"] += f" or {expected}"
        else:
            merged[place] = {**error, "loc": place}
    yield from merged.values()


def _explain(
    error: ErrorDetails, where: str, describe: Callable[[Sequence[str]], str], known: list[str]
) -> str:
    steps = [str(step) for step in error["loc"]]
    place = f"{where}: {describe(steps)}" if where else describe(steps)
    if error["type"] == "unexpected_keyword_argument":
        others = [name for name in known if name != steps[-1]]  # the key may belong elsewhere
        return f"{place}: unknown key{nearest(steps[-1], others)}"
    if error["type"] == "missing":
        return f"{place} is missing"
    expected = error["msg"].replace("Input should be", "expected").removeprefix("Value error, ")
    expected = re.sub(r"(valid )?dictionary( or an instance of \w+)?", "JSON object {…}", expected)
    return f"{place}: {expected}, found {json.dumps(error['input'], default=str)[:80]}"
