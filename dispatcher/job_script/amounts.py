"""Times, sizes and names as a scheduler's directives have them: filters of the templates."""

from __future__ import annotations

import re
from typing import Any

from ..errors import TemplateError
from ..units import read_size

__all__ = ["clock", "memory_in", "minutes", "plain_name", "seconds"]

_TIME = re.compile(r"(?:([0-9]{1,6})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?", re.ASCII)
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def seconds(value: Any) -> int:
    """The seconds of a job's ``time``, in the forms that the FMI format has them: minutes,
    ``minutes:seconds``, ``hours:minutes:seconds``, and ``days-hours``, ``days-hours:minutes``,
    ``days-hours:minutes:seconds``.

    >>> [seconds(each) for each in (90, "90", "90:30", "1:00:00", "2-12", "1-00:30", "1-00:00:01")]
    [5400, 5400, 5430, 3600, 216000, 88200, 86401]

    Raises:
        TemplateError: it is none of these.
    """
    found = _TIME.fullmatch(str(value).strip())
    if found is None:
        raise TemplateError(
            f'The time {str(value)!r} of the job cannot be read: write "time" as minutes (90), or '
            "as days-hours:minutes:seconds (1-12:00:00)."
        )
    days, *rest = found.groups()
    first, *others = (int(each) for each in rest if each is not None)
    if days is not None:
        hours, mins, secs = [first, *others, 0, 0][:3]
    elif len(others) == 2:
        hours, mins, secs = first, *others
    else:
        hours, mins, secs = 0, first, sum(others)
    return ((int(days or 0) * 24 + hours) * 60 + mins) * 60 + secs


def minutes(value: Any) -> int:
    """A job's ``time`` in whole minutes, rounded up.

    >>> minutes("1-00:00:01")
    1441
    """
    return -(-seconds(value) // 60)


def clock(value: Any) -> str:
    """A job's ``time`` as ``hours:minutes:seconds``.

    >>> clock("2-00:30:00")
    '48:30:00'
    """
    total = seconds(value)
    return f"{total // 3600:02}:{total // 60 % 60:02}:{total % 60:02}"


def memory_in(value: Any, unit: str, suffix: str | None = None) -> str:
    """A size in a scheduler's unit, whose first letter tells how much that is, rounded up.

    Behind the number stands the unit, or the suffix. A number without a unit stays as it is: only
    the scheduler knows what it means.

    >>> memory_in("64G", "mb"), memory_in("1.5G", "MB", ""), memory_in("64000", "mb")
    ('65536mb', '1536', '64000')
    """
    size = read_size(str(value))
    if size is None or size.unit == 1:
        return str(value)
    each = _UNITS.get(unit[:1].upper())
    if each is None:
        raise TemplateError(
            f"The unit {unit!r} of memory is not known: write one that begins with K, M, G or T."
        )
    return f"{-int(-size.number * size.unit // each)}{unit if suffix is None else suffix}"


def plain_name(value: Any) -> str:
    """A name in the characters that every scheduler takes: letters, digits, ``_``, ``.``, ``-``.

    >>> plain_name("Refine3D/job019"), plain_name("7 µ")
    ('Refine3D.job019', 'job.7__')
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", str(value).strip("/").replace("/", "."))
    return name if name[:1].isalpha() else f"job.{name}"
