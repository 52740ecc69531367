"""Programs that read what they are given."""

from __future__ import annotations

import subprocess
import time

import pytest

from dispatcher.host.programs import Finished, run


def test_a_program_reads_what_it_is_given_and_else_nothing() -> None:
    assert run(["cat"], given=b"a\0\xff\n") == Finished(0, "a\0\ufffd\n", "")
    assert run(["cat"]) == Finished(0, "", "")


def test_nobody_waits_for_what_a_program_leaves_behind() -> None:
    began = time.monotonic()

    done = run(["sh", "-c", "cat; echo oh >&2; sleep 60 & exit 3"], given=b"text")

    assert done == Finished(3, "text", "oh\n")
    assert time.monotonic() - began < 50


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sleep", "60"], given=b"text", timeout=0.2)
