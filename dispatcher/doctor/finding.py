"""What a check says: ok, a warning, a failure with what to do, or skipped with why."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding", "Status", "failure", "not_so_far", "ok", "skipped", "warning"]

Status = Literal["ok", "warning", "failure", "skipped"]


class Finding(NamedTuple):
    """One line: the check's name is added by whoever runs the check."""

    status: Status
    sentence: str
    check: str = ""


def ok(sentence: str) -> Finding:
    """All is well, and what was seen."""
    return Finding("ok", sentence)


def warning(sentence: str) -> Finding:
    """Jobs run, but not as well as they could; and what to do."""
    return Finding("warning", sentence)


def failure(sentence: str) -> Finding:
    """Jobs fail, or RELION is not told; and what to do."""
    return Finding("failure", sentence)


def skipped(sentence: str) -> Finding:
    """The question could not be asked, and why."""
    return Finding("skipped", sentence)


def not_so_far() -> Finding:
    """The question was not asked, as the probe ended before."""
    return skipped("The probe did not come so far.")
