"""A table of words, the same for a terminal and for a pipe; and lines that fit a width."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from ..printable import printable

__all__ = ["cut", "padded", "text_table", "wrapped"]

_GAP = "  "  # between columns


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """The rows, the first with the columns' heads: a line each, nothing cut off, no colours.

    A cell of several lines is put on one.
    """
    return "\n".join("".join(cells).rstrip() for cells in padded(rows))


def padded(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The cells of such a table, each as wide as its column and the gap behind that.

    Not by rich's Table, which takes a second for a thousand rows (benchmarks/README.md).
    """
    from rich.cells import cell_len

    lines = [[printable("; ".join(cell.expandtabs().splitlines())) for cell in row] for row in rows]
    sizes = [[cell_len(cell) for cell in line] for line in lines]
    widths = [max(column) for column in zip(*sizes, strict=True)]
    return [
        [
            f"{cell}{' ' * (width - size)}{_GAP}"
            for cell, size, width in zip(line, row, widths, strict=True)
        ]
        for line, row in zip(lines, sizes, strict=True)
    ]


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
