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

from collections.abc import Container, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from ..errors import InputError
from .star_line import damaged, label, not_star, row, words
from .star_lines import StarLines

__all__ = ["Block", "iter_blocks", "iter_rows"]

LONGEST_NAME = 200  # characters of a table's name that are kept; RELION's have thirty
MOST_LABELS = 1000  # of a table; all of RELION has half as many
MOST_VALUES = 1_000_000  # of one file that are kept in memory


class Block(NamedTuple):
    """One table of a STAR file: a loop, or the name-value pairs of a simple block (one row).

    ``name`` has lost its prefix ('data_optics' -> 'optics'), ``labels`` are as in the file
    ('_rlnImageSize'), ``rows`` hold one string per label, ``line`` is where the block starts.
    ``first_row``: number of the line of a loop's first row, and the bytes before that line;
    (0, 0) for a simple block.
    """

    name: str
    labels: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int
    first_row: tuple[int, int] = (0, 0)

    def column(self, label: str) -> tuple[str, ...]:
        """All values that were read under ``label``; empty when there is no such column."""
        if label not in self.labels:
            return ()
        index = self.labels.index(label)
        return tuple(row[index] for row in self.rows)

    def first(self, label: str) -> str | None:
        """The first value under ``label``, or None when there is no such column or no row."""
        return next(iter(self.column(label)), None)


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
    name: str | None = None
    labels: list[str] = []
    values: list[tuple[str, ...]] = []
    start, first_row = 0, (0, 0)
    limit, room = rows, MOST_VALUES
    # "outside" any table, behind "data_", in its "pairs", the "labels" or "rows" of a loop, in
    # the rest of the rows ("skip")
    state = "outside"

    def block() -> Block:
        return Block(name or "", tuple(labels), tuple(values), start, first_row)

    lines = StarLines(stream, path, first, at_most=at_most)
    for number, at, line in lines:
        text = line.strip(" \t")
        if state in ("rows", "skip") and not text:
            if state == "rows":
                yield block()
            state = "outside"
        elif state != "rows" and _opens(text, state, labels):
            if state == "labels" and not labels:
                raise damaged(path, number, "a loop without labels")
            if state in ("pairs", "labels"):
                yield block()
            state = "labels" if text.startswith("loop_") else "data_"
            if state == "data_":
                # To RELION, a tab behind the name is part of it.
                name = line.partition("data_")[2][:LONGEST_NAME]
                limit = None if name in whole else 0 if only not in (None, name) else rows
            labels, values, start, first_row = [], [], number, (0, 0)
        elif state == "data_" and "loop_" in text:
            state, start = "labels", number
        elif state in ("data_", "pairs"):
            if text.startswith("_"):
                key, *given = words(text, path, number)
                if not given:
                    raise damaged(path, number, f"{key[:40]} has no value")
                state = "pairs"
                labels.append(key)
                values = [(*(values[0] if values else ()), given[0])]
                _check_number_of(labels, path, number)
        elif state == "labels" and (not text or text[0] in "#;"):
            continue
        elif state == "labels" and text[0] == "_":
            labels.append(label(text))
            _check_number_of(labels, path, number)
        elif state in ("labels", "rows"):
            if not labels:
                raise damaged(path, number, "a loop without labels")
            first_row = first_row if state == "rows" else (number, at)
            state = "rows"
            if limit != 0:
                values += row(text, name or "", labels, path, number)
                room -= len(labels)
            if room < 0:
                raise InputError(
                    f"{path}, line {number}: data_{name} has more rows than such a table can have; "
                    "check that this is the right file."
                )
            if limit is not None and len(values) >= limit:
                yield block()
                state = "skip"
        if state == "skip":
            lines.skip_rows(len(labels))
    if name is None:
        raise not_star(path, 1)
    if state == "labels" and not labels:
        raise damaged(path, start, "a loop without labels")
    if state in ("pairs", "labels", "rows"):
        yield block()


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


def _check_number_of(labels: Sequence[str], path: str, number: int) -> None:
    if len(labels) > MOST_LABELS:
        raise InputError(
            f"{path}, line {number}: no table of RELION's has more than {MOST_LABELS} labels; "
            "check that this is the right file."
        )


def _opens(text: str, state: str, labels: Sequence[str]) -> bool:
    """Whether a table begins in this line, or the loop of a table that has begun with pairs."""
    if state in ("outside", "data_"):
        return "data_" in text
    if state == "pairs":
        return text.startswith("loop_") or ("data_" in text and text[0] not in "_#;")
    # In a single column it could be a row.
    return text.startswith("data_") and " " not in text and len(labels) != 1
