"""Which texts are ids of jobs? They become arguments of a scheduler's commands, not options."""

from __future__ import annotations

import re

__all__ = ["is_job_id"]

_ID = re.compile("[!-,.-~][!-~]{0,199}")  # printable, without blanks


def is_job_id(text: str | None) -> bool:
    """Whether a scheduler may have given this id.

    >>> [is_job_id(text) for text in ("17", "17[].server", "-u", "a b", "", None)]
    [True, True, False, False, False, False]
    """
    return text is not None and _ID.fullmatch(text) is not None
