"""A field that a site adds to RELION's window, and what somebody has typed there: read, and held
against the field's bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import NamedTuple

from ..units import read_size, seconds_of, whole_number
from .json_files import strict
from .largest import MOST_GPUS, MOST_RANKS

__all__ = ["UNSET", "Reading", "WindowField", "as_limit", "is_unset", "reading"]

UNSET = "auto"

_LONGEST = 1000  # characters of what is typed
_MOST_TIME = 366 * 24 * 3600  # seconds
_MOST_MEMORY = 1 << 20  # GiB
_NAME = r"[\w@:+/][\w.@:+/-]*"
_GPU_TYPE = r"(?!(all|any|none)$)[A-Za-z][\w.+-]*"
_UNITS = {"m": 60, "h": 3600, "d": 24 * 3600}
_TIMES = "a time such as 12h, 3d, 12:00:00 or 2-12"
_GPUS = "a number of GPUs (2), a type (a100), or both (a100:2)"


@strict
class WindowField:
    """One field. What is unset is as shipped for a field of that name.

    Attributes:
        label: what stands before the field.
        default: what stands in it at first; "auto" leaves the choice to the dispatcher.
        help: the text behind its question mark.
        allowed: the values that it takes beside "auto"; empty for any.
        least, most: bounds of a time, of GPUs, of memory (GiB), of ranks per GPU.
        users, groups: who may use it, by their names; empty for everybody.
    """

    label: str | None = None
    default: str = UNSET
    help: str | None = None
    allowed: list[str] = field(default_factory=list)
    least: int | str | None = None
    most: int | str | None = None
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


class Reading(NamedTuple):
    """What a text says.

    Attributes:
        values: what it means to the plan, by job parameters; "options", "image" and "goes_on" as
            they are.
        problem: why the field cannot have this text, as a part of a sentence; "" if it can.
    """

    values: Mapping[str, str | int | list[str]] = {}
    problem: str = ""


def is_unset(text: str) -> bool:
    """Whether the choice is left to the dispatcher."""
    return text.strip().lower() in ("", UNSET)


def reading(name: str, text: str, offered: WindowField) -> Reading:
    """What `text` says in the field `name`.

    >>> reading("gpus", "a100:2", WindowField()).values
    {'gpu_type': 'a100', 'ngpu': 2}
    >>> reading("memory", "64 GB", WindowField()).values
    {'mem': '64G'}
    """
    text = text.strip()
    if is_unset(text):
        return Reading()
    if not text.isprintable() or len(text) > _LONGEST:
        return Reading(problem=f"expected one line of at most {_LONGEST} characters")
    if offered.allowed and text not in offered.allowed:
        return Reading(problem=f"expected {_one_of(offered.allowed)}, found {text[:40]!r}")
    read = _READERS.get(name)
    if read is None:
        return Reading()
    found = read(text)
    return found if found.problem else found._replace(problem=_outside(name, found, offered))


def as_limit(name: str, bound: int | str) -> int | None:
    """A bound of a field in seconds, GPUs, GiB or ranks; None if it is none."""
    read = _READERS.get(name)
    found = read(str(bound)) if read and name in _MEASURED else Reading(problem="no bound")
    return None if found.problem else _MEASURED[name](found.values)


def _outside(name: str, found: Reading, offered: WindowField) -> str:
    if name not in _MEASURED:
        return ""
    has = _MEASURED[name](found.values)
    least, most = (
        None if bound is None else as_limit(name, bound) for bound in (offered.least, offered.most)
    )
    if has is not None and least is not None and has < least:
        return f"expected at least {offered.least}"
    if has is not None and most is not None and has > most:
        return f"expected at most {offered.most}"
    return ""


def _time(text: str) -> Reading:
    short = re.fullmatch(r"([0-9]{1,5})\s*([mhd])", text, re.ASCII | re.IGNORECASE)
    seconds = int(short[1]) * _UNITS[short[2].lower()] if short else seconds_of(text)
    if seconds is None or not 0 < seconds <= _MOST_TIME:
        return Reading(problem=f"expected {_TIMES}, found {text[:40]!r}")
    minutes, rest = divmod(seconds, 60)
    return Reading({"time": f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"})


def _gpus(text: str) -> Reading:
    kind, _, number = text.removeprefix("gpu:").rpartition(":")
    if not kind and whole_number(number) is None:
        kind, number = number, ""
    wanted = whole_number(number) if number else None
    wrong_number = number != "" and (wanted is None or not 1 <= wanted <= MOST_GPUS)
    wrong_kind = kind != "" and not re.fullmatch(_GPU_TYPE, kind, re.ASCII | re.IGNORECASE)
    if wrong_number or wrong_kind or text[-1] == ":" or text[0] == ":":
        return Reading(problem=f"expected {_GPUS}, found {text[:40]!r}")
    values: dict[str, str | int | list[str]] = {"gpu_type": kind} if kind else {}
    return Reading(values | ({"ngpu": wanted} if wanted else {}))


def _memory(text: str) -> Reading:
    number = whole_number(text)
    size = read_size(text)
    gigabytes = number
    if number is None and size and size.name:
        gigabytes = -(-int(size.number * size.unit) // 2**30)
    if gigabytes is None or not 1 <= gigabytes <= _MOST_MEMORY:
        return Reading(problem=f"expected a number of GiB, such as 64, found {text[:40]!r}")
    return Reading({"mem": f"{gigabytes}G"})


def _ranks(text: str) -> Reading:
    number = whole_number(text)
    if number is None or not 1 <= number <= MOST_RANKS:
        return Reading(problem=f"expected a number of ranks, such as 2, found {text[:40]!r}")
    return Reading({"ranks_per_gpu": number})


def _goes_on(text: str) -> Reading:
    if text.lower() not in ("yes", "no"):
        return Reading(problem=f"expected Yes or No, found {text[:40]!r}")
    return Reading({"goes_on": text.lower() == "yes"})


def _named(key: str, what: str) -> Callable[[str], Reading]:
    def read(text: str) -> Reading:
        if not re.fullmatch(_NAME, text, re.ASCII):
            return Reading(problem=f"expected {what}, found {text[:40]!r}")
        return Reading({key: text})

    return read


def _options(text: str) -> Reading:
    import shlex  # seldom wanted

    try:
        words = shlex.split(text)
    except ValueError:
        return Reading(problem=f"expected a closing quote, found {text[:40]!r}")
    if any(set(word) == {"-"} for word in words) or not re.match("--|-[^0-9]", words[0]):
        return Reading(problem=f"expected options that begin with -, found {text[:40]!r}")
    return Reading({"scheduler_options": _joined(words)})


def _joined(words: list[str]) -> list[str]:
    """The words as directives: what is no option belongs to the one before it."""
    found: list[str] = []
    for word in words:
        if re.match("--|-[^0-9]", word):
            found.append(word)
        else:
            found[-1] += f" {word}"
    return found


def _one_of(allowed: list[str]) -> str:
    return f"{UNSET} or one of {', '.join(allowed)}"


_READERS: Mapping[str, Callable[[str], Reading]] = {
    "time": _time,
    "gpus": _gpus,
    "memory": _memory,
    "account": _named("account", "the name of an account"),
    "partition": _named("partition", "the name of a partition"),
    "ranks_per_gpu": _ranks,
    "image": _named("image", "a version, such as 5.0.1"),
    "goes_on": _goes_on,
    "options": _options,
}
_Values = Mapping[str, str | int | list[str]]
_MEASURED: Mapping[str, Callable[[_Values], int | None]] = {
    "time": lambda values: seconds_of(str(values["time"])),
    "gpus": lambda values: int(str(values["ngpu"])) if "ngpu" in values else None,
    "memory": lambda values: int(str(values["mem"]).removesuffix("G")),
    "ranks_per_gpu": lambda values: int(str(values["ranks_per_gpu"])),
}
