"""Text that a terminal shows: nothing of others moves its cursor or turns its lines round."""

from __future__ import annotations

import os

import pytest

from dispatcher.errors import ConfigError, DispatchError
from dispatcher.printable import printable
from dispatcher.refusal import say


@pytest.mark.parametrize("text", ["", "Class2D/job007", "größer „x“ → 粒子 👩‍🔬", "नमस्ते"])
def test_text_that_changes_nothing_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("gpj.\u202etxe", r"gpj.\u202etxe"),
        ("a\u2028b\u2069", r"a\u2028b\u2069"),
        ("half \ud800", r"half \ud800"),
        (os.fsdecode(b"caf\xe9/job1"), r"caf\xe9/job1"),
    ],
)
def test_what_could_change_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_every_character_comes_out_as_one_that_can_be_encoded_and_is_no_control() -> None:
    for code in range(0x110000 >> 4):
        shown = printable(chr(code))
        shown.encode()
        assert all(ord(c) >= 0x20 and not 0x7F <= ord(c) < 0xA0 for c in shown), hex(code)


def test_what_the_hook_says_keeps_its_lines_and_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2J\n\tb\r\udcff")

    assert capsys.readouterr().err == "a\\x1b[2J\n\tb\\r\\xff\n"


def test_every_sentence_of_ours_is_printable() -> None:
    assert str(DispatchError("a\x1b[2J\nb", "c\udcff")) == "a\\x1b[2J\\nb\nc\\xff"
    assert str(ConfigError("größer „x“ → 粒子")) == "größer „x“ → 粒子"
