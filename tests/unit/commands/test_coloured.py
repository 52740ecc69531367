"""Lines with colours on a terminal, through the streams that let no text of others act there."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from rich.text import Text

from dispatcher.commands.coloured import print_lines
from dispatcher.commands.doctor_lines import print_report
from dispatcher.doctor.places import Asked
from dispatcher.doctor.report import Finding, PlaceReport, Report
from dispatcher.host.shown_streams import shown_streams


class Terminal(StringIO):
    """A stream that says that it is a terminal."""

    encoding = "ascii"

    def isatty(self) -> bool:
        return True


def printed(stream: StringIO, monkeypatch: pytest.MonkeyPatch, *lines: Text) -> str:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", stream)
    with shown_streams():
        print_lines(lines)
    return stream.getvalue()


def test_a_terminal_gets_the_colours_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(Terminal(), monkeypatch, Text("well", "green"), Text("x" * 200))

    assert text == f"\x1b[32mwell\x1b[0m\n{'x' * 200}\n"


def test_a_pipe_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(StringIO(), monkeypatch, Text("well", "green")) == "well\n"


def test_what_others_wrote_acts_on_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = Text("a\x1b[2Jb\u202e", "green")

    assert printed(Terminal(), monkeypatch, evil) == "a\\x1b[2Jb\\u202e\n"
    assert printed(StringIO(), monkeypatch, evil) == "a\\x1b[2Jb\\u202e\n"


def test_a_terminal_that_knows_less_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(Terminal(), monkeypatch, Text("gpu…")) == "gpu\\u2026\n"


def test_the_doctors_report_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", stream)
    place = PlaceReport(Asked("gpu"), (Finding("ok", "It answers.", "queue"),), {})

    with shown_streams():
        print_report(Report((place,)))

    assert "\x1b[32mok\x1b[0m       queue  It answers.\n" in stream.getvalue()
