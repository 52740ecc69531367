"""Tables for people and pipes."""

from __future__ import annotations

import pytest

from dispatcher.commands.text_table import text_table


def test_nothing_is_cut_off_nor_coloured_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    long = "Class2D/job003 and more, " * 10

    head, row = text_table([("job", "note"), (long, "x")]).splitlines()

    assert row == f"{long}  x"
    assert head == "job".ljust(len(long)) + "  note"


def test_columns_are_as_wide_as_their_widest_cell_without_blanks_at_the_end() -> None:
    rows = [("image", "version", "file"), ("relion", "5.1.0", ""), ("日本", "3", "missing")]

    assert text_table(rows).splitlines() == [
        "image   version  file",
        "relion  5.1.0",
        "日本    3        missing",
    ]


def test_a_row_is_one_line_of_what_its_cells_say() -> None:
    rows = [("a", "b"), ("two\nlines", "[bold]:smile:[/bold]"), ("a\ttab", "")]

    assert text_table(rows).splitlines() == [
        "a            b",
        "two; lines   [bold]:smile:[/bold]",
        "a       tab",
    ]
