"""Sizes and numbers as people write and read them: "32G", "3 classes"."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from .errors import ConfigError

if TYPE_CHECKING:  # hooks need none
    from datetime import datetime

__all__ = [
    "MOST_BYTES",
    "Size",
    "bytes_of",
    "count",
    "duration",
    "gibibytes",
    "moment",
    "read_size",
    "real_number",
    "seconds_of",
    "too_small",
    "whole_number",
]

MOST_BYTES = 2**60  # an exabyte; job scripts count bytes in 64 bits
_LEAST_BYTES = 2**22  # no card, node, rank or context of a GPU has less; 4 TB without its M have

# In any locale.
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"

_LEAST_MIB = 4096  # a smaller number is GiB to who forgets the unit

_SIZE = re.compile(
    r"([0-9]{1,19}(?:\.[0-9]{1,19})?)\s*(([KMGT]?)(?:i?B)?)", re.IGNORECASE | re.ASCII
)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_WHOLE = re.compile(r"([+-]?)([0-9]+)(?:\.0*)?", re.ASCII)
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_BLANKS = " \t\n\r\f\v"
_MOST_DIGITS = 18
# Of the numbers of single precision, in which RELION holds what its options say.
_LARGEST, _SMALLEST = 3.4e38, 1.2e-38


def whole_number(text: str) -> int | None:
    """The whole number that the text is: "5", "+5", "5.00"; None for any other text.

    RELION takes digits from 0 to 9 up to the first other character (``textToInteger``, strings.cpp,
    3.1 to 5.0), so that 1e3, 0x10 and 1_000 are other numbers to RELION than to their writer: None.
    A number of more than 18 digits is 10^18, or -10^18: more than anything here may be.
    """
    found = _WHOLE.fullmatch(text.strip(_BLANKS))
    if found is None:
        return None
    digits = found[2].lstrip("0") or "0"
    number = int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
    return -number if found[1] == "-" else number


def real_number(text: str) -> float | None:
    """The number that the text is: "1.5", "-2e3"; None for any other text, for inf and nan.

    None as well for what is infinite in single precision; what is nothing there is 0
    (``textToFloat``, strings.cpp, 3.1 to 5.0).
    """
    if not _REAL.fullmatch(text.strip(_BLANKS)):
        return None
    number = float(text)
    if abs(number) > _LARGEST:
        return None
    return number if abs(number) >= _SMALLEST else 0.0


class Size(NamedTuple):
    """A number of units of so many bytes each, and the unit's name as it was written ("GiB")."""

    number: float
    unit: int
    name: str


def read_size(text: str) -> Size | None:
    """The size that the text is, at most ``MOST_BYTES``; None for any other text."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    size = Size(float(found[1]), _UNITS[found[3].upper()], found[2])
    return size if size.number * size.unit <= MOST_BYTES else None


def bytes_of(size: int | str | None, where: str) -> int | None:
    """``"32G"`` → 34359738368; a number is bytes already.

    Raises:
        ConfigError: naming `where`, for anything else, and for more than ``MOST_BYTES``.
    """
    if size is None:
        return None
    found = read_size(str(size))
    if found is None:
        raise ConfigError(
            f'{where}: expected bytes or a size like "32G", at most "{MOST_BYTES >> 40}T", found '
            f"{json.dumps(size)[:80]}"
        )
    return size if isinstance(size, int) else int(found.number * found.unit)


_TIME = re.compile(
    r"(?:(?P<d>\d{1,5})-)(?P<h>\d{1,6})(?::(?P<m>\d{1,6}))?(?::(?P<s>\d{1,6}))?"
    r"|(?P<hours>\d{1,6}):(?P<minutes>\d{1,6}):(?P<seconds>\d{1,6})",
    re.ASCII,
)


def seconds_of(time: str) -> int | None:
    """The seconds of a time that means the same to all: hours, minutes and seconds, or days first.

    None for any other text: 90, or 12:30, is read in one way by one scheduler, in another by
    another.

    >>> [seconds_of(text) for text in ("48:00:00", "2-0", "7-00:00:00", "12:30", "1 day")]
    [172800, 172800, 604800, None, None]
    """
    found = _TIME.fullmatch(time.strip())
    if found is None:
        return None
    days, *others = (int(found[key] or 0) for key in "dhms")
    hours, minutes, seconds = (int(found[key] or 0) for key in ("hours", "minutes", "seconds"))
    return ((days * 24 + others[0] + hours) * 60 + others[1] + minutes) * 60 + others[2] + seconds


def too_small(size: int | str | None, whole: bool = False) -> str | None:
    """What to say of a size that is less than any memory, most likely for want of its unit; None
    for any other, and for none at all. `whole` if a text with a unit may not stand there.

    >>> too_small(24), too_small("32G"), too_small(0)
    ('24 means 24 bytes: write "24G" if GiB are meant, or another size with its unit', None, None)
    """
    found = read_size(str(size or 0))
    held = int(found.number * found.unit) if found else 0
    if found is None or not 0 < held < _LEAST_BYTES:
        return None
    means = f"{json.dumps(size)} means {count(held, 'byte')}"
    if whole:
        return f"{means}: write all bytes of the size ({2**30} are a GiB)"
    letter = "G" if found.number < _LEAST_MIB else "M"
    return (
        f'{means}: write "{found.number:.12g}{letter}" if {letter}iB are meant, or another size '
        "with its unit"
    )


def count(number: int, noun: str) -> str:
    """'1 class', '3 classes', '2 GPUs', '2 bodies'."""
    if number == 1:
        return f"1 {noun}"
    if re.search("[^aeiou]y$", noun):
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}{'es' if re.search('(s|x|ch|sh)$', noun) else 's'}"


def duration(seconds: float) -> str:
    """A time for people, in its two largest units.

    >>> [duration(each) for each in (20, 600, 7980, 190_000)]
    ['less than 1 min', '10 min', '2 h 13 min', '2 d 4 h']
    """
    minutes = int(seconds // 60)
    if minutes < 1:
        return "less than 1 min"
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def moment(when: datetime, now: datetime) -> str:
    """A time of day, with the date if it is another day's.

    >>> from datetime import datetime
    >>> [moment(datetime(2026, 11, day, 9, 5), datetime(2026, 11, 29)) for day in (29, 28)]
    ['09:05', '28 Nov 09:05']
    """
    clock = f"{when:%H:%M}"
    if when.date() == now.date():
        return clock
    return f"{when.day} {_MONTHS.split()[when.month - 1]} {clock}"


def gibibytes(size: int) -> str:
    """Bytes for people: 32212254720 -> '30.0 GiB' (2^30 bytes), as sites write 30G."""
    return f"{size / 2**30:.1f} GiB"
