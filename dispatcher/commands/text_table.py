"""A table of words, the same for a terminal and for a pipe; and lines that fit a width."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from ..printable import printable

__all__ = ["cut", "text_table", "wrapped"]


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """The rows, the first with the columns' heads: a line each, nothing cut off, no colours.

    A cell of several lines is put on one.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[printable("; ".join(cell.expandtabs().splitlines())) for cell in row] for row in rows]
    heads, *others = [map(Text, row) for row in lines]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, no_wrap=True)
    for row in others:
        table.add_row(*row)
    # Its own width would be the terminal's, or 80 columns.
    console = Console(file=StringIO(), width=10**9, color_system=None)
    with console.capture() as printed:
        console.print(table)
    return "\n".join(line.rstrip() for line in printed.get().splitlines())


def cut(line: str, columns: int) -> str:
    """The line, or as much of it as the columns of a terminal hold, with a mark at its end."""
    from rich.cells import cell_len, set_cell_size

    return line if cell_len(line) <= columns else f"{set_cell_size(line, columns - 1).rstrip()}…"


def wrapped(text: str, columns: int, margin: str = "") -> list[str]:
    """The text on lines that begin with a margin; none for an empty text."""
    from rich.console import Console
    from rich.text import Text

    plain = printable(" ".join(text.split()))
    width = max(1, columns - len(margin))
    lines = Text(plain).wrap(Console(file=StringIO(), width=width), width) if plain else ()
    return [f"{margin}{line.plain.rstrip()}" for line in lines]
