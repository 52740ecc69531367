"""What pydantic found wrong in a site's file, as sentences with file and key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, get_origin

from .field_types import inside, members

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

__all__ = ["Describe", "explained", "nearest", "switch_for_number"]

Describe = Callable[[Sequence[str]], str]

_MOST = 20  # sentences; who corrects these sees the others
_LOOKED_AT = 500  # of pydantic's errors, of which a value may have several
_LONGEST = 100  # characters of a name that may be a slip of the pen
_COMPARED = 2000  # names with which such a name is compared


class _Mistake(NamedTuple):
    """What is wrong at the end of the `steps`, with all that could stand there in `message`."""

    steps: tuple[str, ...]
    kind: str
    message: str
    found: Any


def explained(error: ValidationError, kind: Any, where: str, describe: Describe) -> list[str]:
    """A line for each value that is not what the dataclass `kind` has there.

    `where` names the file, and `describe` turns the steps to a key into words, see
    :func:`dispatcher.config.json_files.load`.
    """
    mistakes = _by_place(error.errors(include_url=False)[:_LOOKED_AT], kind)
    lines = dict.fromkeys(
        _line(each, where, describe, _keys_beside(kind, each.steps)) for each in mistakes[:_MOST]
    )
    if len(mistakes) > _MOST:
        lines[": ".join(filter(None, (where, "more mistakes follow")))] = None
    return list(lines)


def switch_for_number(kind: Any, content: Any, where: str, describe: Describe) -> str | None:
    """A line if `content`, which pydantic takes for a `kind`, has true or false for a number."""
    found = next(_switches(kind, content, ()), None)
    if found is None:
        return None
    steps, value = found
    mistake = _Mistake(steps, "", "expected a number", value)
    return _line(mistake, where, describe, [])


def _switches(
    kind: Any, value: Any, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], bool]]:
    of = members(kind)
    if isinstance(value, bool):
        if bool not in of and (int in of or float in of):
            yield above, value
    elif isinstance(value, dict | list):
        holds = next((each for each in of if get_origin(each) or is_dataclass(each)), None)
        for step, held in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _switches(inside(holds, step), held, (*above, str(step)))


def nearest(name: str, known: list[str]) -> str:
    """``'; did you mean "nproc"?'``, or nothing if no known name is similar."""
    import difflib

    if len(name) > _LONGEST:
        return ""
    close = difflib.get_close_matches(name, known[:_COMPARED], n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def _by_place(errors: Iterable[ErrorDetails], kind: Any) -> list[_Mistake]:
    """One mistake for each value: pydantic has one for every member of a union."""
    found: dict[tuple[str, ...], _Mistake] = {}
    for error in errors:
        steps = _steps(kind, error["loc"])
        before = found.get(steps)
        if before is None:
            found[steps] = _Mistake(steps, error["type"], error["msg"], error["input"])
        else:
            expected = re.sub("^Input should be a (valid )?", "", error["msg"])
            found[steps] = before._replace(message=f"{before.message} or {expected}")
    # What is wrong inside of an object is said there, and not that a switch could be in its place.
    inside = {steps[:end] for steps in found for end in range(len(steps))}
    return [each for steps, each in found.items() if steps not in inside]


def _steps(kind: Any, place: Sequence[int | str]) -> tuple[str, ...]:
    """The keys that lead to the place.

    Pydantic names the member of a union that it tried as one more step, as in ``memory.int``. Only
    the types tell such a step from a key, which may be ``int`` as well.
    """
    steps = []
    for step in place:
        of = [each for each in members(kind) if each is not type(None)]
        if len(of) > 1:  # further steps lead into the only member that holds others
            kind = next((each for each in of if get_origin(each) or is_dataclass(each)), None)
            continue
        steps.append(str(step))
        kind = inside(of[0], step)
    return tuple(steps)


def _keys_beside(kind: Any, steps: Sequence[str]) -> list[str]:
    """The keys that may stand where the last of the steps does."""
    for step in steps[:-1]:
        of = [each for each in members(kind) if each is not type(None)]
        kind = next((held for each in of if (held := inside(each, step)) is not None), None)
    of = [each for each in members(kind) if is_dataclass(each)]
    return [field.name for field in fields(of[0])] if of else []


def _line(mistake: _Mistake, where: str, describe: Describe, known: list[str]) -> str:
    described = describe(mistake.steps)
    place = f"{where}: {described}" if where else described
    if mistake.kind == "unexpected_keyword_argument":
        return f"{place}: unknown key{nearest(mistake.steps[-1], known)}"
    if mistake.kind == "missing":
        return f"{place} is missing"
    expected = mistake.message.replace(", unable to interpret input", "")
    expected = re.sub("Input should be", "expected", expected)
    expected = expected.removeprefix("Value error, ")
    expected = re.sub(r"(valid )?dictionary( or an instance of \w+)?", "JSON object {…}", expected)
    return f"{place}: {expected}, found {json.dumps(mistake.found, default=str)[:80]}"
