"""What a command prints: control characters of others are shown, our own and scripts pass."""

from __future__ import annotations

import io
import sys

import pytest

from dispatcher.host.shown_streams import shown_streams, to_terminal, write_exactly


def test_control_characters_are_shown_and_lines_stay(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_streams():
        print("a\x1b[2Jb\nc", end="\n\n")
        print("error\r\u202e", file=sys.stderr)
    print("\x1b")

    printed = capsys.readouterr()
    assert printed.out == "a\\x1b[2Jb\nc\n\n\x1b\n"
    assert printed.err == "error\\r\\u202e\n"


def test_our_own_control_characters_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_streams():
        to_terminal("\x1b[2J", sys.stdout)

    assert capsys.readouterr().out == "\x1b[2J"


def test_a_script_is_written_byte_for_byte(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with shown_streams():
        write_exactly("cd 'caf\udce9\x1b'\n")

    assert capfdbinary.readouterr().out == b"cd 'caf\xe9\x1b'\n"


def test_a_terminal_that_knows_fewer_letters_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "iso-8859-1", write_through=True))
    with shown_streams():
        print("größer … 粒子")

    assert raw.getvalue() == "größer \\u2026 \\u7c92\\u5b50\n".encode("iso-8859-1")


def test_a_closed_stream_stays_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with shown_streams():
        assert sys.stderr is None
