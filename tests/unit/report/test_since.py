"""The moments that --since names."""

from __future__ import annotations

import time

import pytest

from dispatcher.errors import InputError
from dispatcher.report.since import read_since

NOW = 1_800_000_000.0
DAY = 86400


@pytest.mark.parametrize(
    ("text", "before"),
    [("12h", DAY / 2), ("30d", 30 * DAY), ("4w", 28 * DAY), ("1D", DAY), ("999999w", NOW)],
)
def test_a_span(text: str, before: float) -> None:
    assert read_since(text, NOW) == NOW - before


def test_a_date_is_midnight_of_this_machines_time() -> None:
    assert read_since("2026-01-31", NOW) == time.mktime((2026, 1, 31, 0, 0, 0, 0, 0, -1))


@pytest.mark.parametrize("text", ["", "30", "d", "30 days ago", "2026-13-01", "2026-02-30", "-3d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"cannot be read: write .*2026-01-31"):
        read_since(text, NOW)


def test_a_day_to_come_is_refused() -> None:
    with pytest.raises(InputError, match="is still to come"):
        read_since("2099-01-01", NOW)
