"""Numbers, times and spans of a report in words."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..config.ends_from_outside import CAUSES
from ..units import count

__all__ = ["bytes_in_words", "day", "hours", "moment", "percent", "span", "went_on"]

_COUNTED: dict[str, str] = {cause: words.counted for cause, words in CAUSES.items()}


def went_on(runs: Mapping[str, int]) -> str:
    """How often jobs went on, by what had ended their runs; "" if none did.

    >>> went_on({"preemption": 3, "time_limit": 1})
    'Jobs went on 4 times: 3 after a preemption, 1 at a time limit.'
    """
    if not runs:
        return ""
    known = (
        f"{number} {_COUNTED.get(why, 'after another cause')}"
        for why, number in sorted(runs.items(), key=lambda each: (-each[1], each[0]))
    )
    return f"Jobs went on {count(sum(runs.values()), 'time')}: {', '.join(known)}."


def hours(number: float) -> str:
    """GPU-hours: "12,345", or "0.4" if there are few.

    >>> hours(12345.6), hours(3.04), hours(0)
    ('12,346', '3.0', '0')
    """
    return f"{number:,.0f}" if number >= 10 or number == 0 else f"{number:.1f}"


def percent(part: float, whole: float) -> str:
    """ "25 %", "<1 %", or "-" of nothing."""
    if not whole:
        return "-"
    share = 100 * part / whole
    return "<1 %" if 0 < share < 0.5 else f"{share:.0f} %"


def span(seconds: float) -> str:
    """A time for people, in two units at most.

    >>> [span(each) for each in (0.4, 59, 90, 3600, 7260, 90000, 864000)]
    ['0 s', '59 s', '1 min 30 s', '1 h', '2 h 1 min', '1 d 1 h', '10 d']
    """
    left = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        number, left = divmod(left, unit)
        if number or parts:
            parts.append((number, name))
    shown = [f"{number} {name}" for number, name in parts[:2] if number]
    return " ".join(shown) or "0 s"


def bytes_in_words(size: float) -> str:
    """12884901888 -> "12 GiB"."""
    return f"{size / 2**30:.0f} GiB" if size >= 2**33 else f"{size / 2**30:.1f} GiB"


def moment(seconds: float) -> str:
    """A moment in this machine's time: 2026-01-31 12:00."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def day(seconds: float) -> str:
    """The day of a moment in this machine's time: 2026-01-31."""
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
