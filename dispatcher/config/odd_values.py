"""What is valid JSON, and still nothing that a site's file may hold: which value is it, and why?

Such texts and numbers cannot be written into a job script, nor into a sentence that people read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["first_oddity", "in_words", "may_be_odd"]

# Whatever is odd has one of these in the file's text, and few files have: an escaped lone
# surrogate, an escaped or unescaped control character, a large exponent, many digits, NaN.
_SIGNS = re.compile(
    r"\\u(?:d|00[0189])|\\[bfnrt]|[\x7f-\x9f]|e\+?[0-9]{3}|[0-9]{19}|NaN|Infinity", re.IGNORECASE
)
_HALF = r"half of a character (a lone surrogate such as \ud800)"
_MOST = 2**63  # job scripts count in 64 bits, and so do files' times in nanoseconds


def may_be_odd(text: str) -> bool:
    """Whether a look at each value of the file with this text is worth its time."""
    return _SIGNS.search(text) is not None


def first_oddity(content: Any) -> str | None:
    """What is wrong with the first such key or value, and what to do; None if there is none."""
    return next(_oddities(content, ()), None)


def in_words(steps: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """The keys that lead to a value, as sentences name them: ``partitions.gpu.cores``."""
    return ".".join(steps)


def _oddities(value: Any, above: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inside in value.items():
            if why := _why_no_key(key):
                yield f'the key "{in_words((*above, key))}" {why}'
            yield from _oddities(inside, (*above, key))
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            yield from _oddities(inside, (*above, str(number)))
    elif why := _why_not(value):
        yield f'key "{in_words(above)}": {why}'


def _why_no_key(key: str) -> str | None:
    if _has_half(key, "\ud800", "\udfff"):
        return f"has {_HALF} in it: write the whole character"
    if re.search(r"[\x00-\x1f\x7f-\x9f]", key):
        return "has a line break or another control character in it: write the name without"
    return None


def _why_not(value: Any) -> str | None:
    if isinstance(value, str):
        # Bytes of paths that are not UTF-8 may pass.
        if _has_half(value, "\ud800", "\udc7f") or _has_half(value, "\udd00", "\udfff"):
            return f"{json.dumps(value)[:80]} has {_HALF} in it: write the whole character"
        if "\0" in value:
            return f"{json.dumps(value)[:80]} has a zero byte in it: write the text without"
    if isinstance(value, float) and not math.isfinite(value):
        return "expected a number, found one that is infinite, or none: write the number in digits"
    if type(value) is int and abs(value) >= _MOST:
        return "the number is 2^63 (9.2e18) or more, or as far below 0: write a smaller one"
    return None


def _has_half(text: str, first: str, last: str) -> bool:
    return not text.isascii() and any(first <= character <= last for character in text)
