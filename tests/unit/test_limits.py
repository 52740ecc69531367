"""The limits with which hostile input is tried: less passes, more fails."""

from __future__ import annotations

import time

import pytest

from dispatcher.errors import InputError

from ..limits import sentence_within_limits


def _takes(size: int) -> None:
    bytearray(size)
    raise InputError("refused")


def _turns(seconds: float) -> None:
    while time.process_time() < seconds:
        pass


def test_memory_beside_that_of_the_process_counts() -> None:
    assert sentence_within_limits(lambda: _takes(270_000_000)) == "refused"
    # Some of this is memory that the process has, and does not use any more.
    with pytest.raises(AssertionError, match="MemoryError"):
        sentence_within_limits(lambda: _takes(500_000_000))


def test_two_seconds_of_a_processor_count() -> None:
    with pytest.raises(AssertionError, match="ended the process"):
        sentence_within_limits(lambda: _turns(10))
