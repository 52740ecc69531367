"""A table of words, the same for a terminal and for a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from ..printable import printable

__all__ = ["text_table"]


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
