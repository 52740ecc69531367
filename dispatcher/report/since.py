"""From when on does a report count jobs? 30d, 12h, 4w or 2026-01-31."""

from __future__ import annotations

import re
from datetime import datetime

from ..errors import InputError

__all__ = ["read_since"]

_SPAN = re.compile(r"([0-9]{1,6}) ?([hdw])", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?", re.ASCII)
_SECONDS = {"h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}


def read_since(text: str, now: float) -> float:
    """The moment that the text names, in seconds since 1970, given what is `now`.

    A date is midnight of this machine's time.

    >>> read_since("30d", 10_000_000.0)
    7408000.0

    Raises:
        InputError: it is none of the forms, or a moment to come.
    """
    since = None
    if span := _SPAN.fullmatch(text.strip()):
        since = max(0.0, now - int(span[1]) * _SECONDS[span[2].lower()])
    elif _DATE.fullmatch(text.strip()):
        try:
            since = max(0.0, datetime.fromisoformat(text.strip()).timestamp())
        except (ValueError, OverflowError):
            since = None
    if since is None:
        shown = text or '""'
        raise InputError(
            f"--since {shown} cannot be read: write a number of hours, days or weeks (12h, 30d, "
            "4w) or a date (2026-01-31)."
        )
    if since > now:
        raise InputError(f"--since {text} is still to come: give a day that has passed.")
    return since
