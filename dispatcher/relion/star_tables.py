"""The tables in the bytes of a STAR file, as RELION takes them.

The dialect is RELION's (``readStar``, ``readStarLoop``, ``readStarList`` in metadata_table.cpp,
``nextTokenInSTAR`` and ``unescape`` in strings.cpp; 3.1 to 5.0, tried with 3.1.3 and 5.1.0):

- ``data_`` opens a table wherever it stands in its line, so a byte order mark before it does no
  harm; the rest of the line is the name. What stands before the first table is passed over.
- ``loop_`` may have anything around it. Labels may be indented, and blank lines and comments stand
  among them; a label ends one character before its ``#``.
- The rows of a loop end at a blank line and at nothing else. A comment among the rows, or the next
  ``data_`` right behind them, is a row for RELION, which stops if there are more than two labels.
- Values stand in single or double quotes or in none, and do not go over the end of a line; a ``#``
  begins a comment only at the start of a word.
- Small and capital letters differ, in labels, in ``data_`` and in ``loop_``.

CR+LF is taken here whatever RELION does: :mod:`line_ends` knows which version reads it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import BinaryIO

from .star_line import row
from .star_lines import StarLines
from .star_reader import Block, StarReader

__all__ = ["iter_blocks", "iter_rows"]


def iter_blocks(
    stream: BinaryIO,
    path: str,
    rows: int | None = None,
    whole: Container[str] = (),
    only: str | None = None,
    first: int = 1,
    at_most: int | None = None,
) -> Iterator[Block]:
    """Yield the blocks of an open STAR file, reading only as far as the caller iterates.

    With ``rows`` a loop is yielded as soon as that many of its rows are read; what remains of it
    is passed over when the next block is asked for. A simple block always comes whole, and so do
    the blocks with the names ``whole``. With ``only``, the rows of all other loops are passed over.
    ``path`` only names the file in errors. The stream stands at the line number ``first``; more
    than ``at_most`` bytes are no such file. Raises InputError with file and line when the bytes are
    no STAR file, a quote is not closed, a row has not one value per label, or a table has more
    labels or values than can be meant.
    """
    lines = StarLines(stream, path, first, at_most=at_most)
    reader = StarReader(path, rows, whole, only)
    for reader.number, reader.at, reader.line in lines:
        found = reader.state(reader.line.strip(" \t"))
        if found is not None:
            yield found
        if reader.state == reader.rest:
            lines.skip_rows(len(reader.labels))
    found = reader.end()
    if found is not None:
        yield found


def iter_rows(stream: BinaryIO, path: str, block: Block) -> Iterator[tuple[str, ...]]:
    """The rows of a block of this stream one by one: a table of a million must not be in memory.

    Raises InputError as :func:`iter_blocks` does.
    """
    first, at = block.first_row
    if not first:
        yield from block.rows
        return
    stream.seek(at)
    for number, _, line in StarLines(stream, path, first, most_lines=None):
        text = line.strip(" \t")
        if not text:
            return
        yield from row(text, block.name, block.labels, path, number)
