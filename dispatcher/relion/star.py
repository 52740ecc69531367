"""Read STAR files from their beginning, and no further than the caller needs.

A particle file of a million rows costs as much as its first kilobyte when only the optics table
and the first particle are wanted. RELION asks for a table by its name, wherever the table stands
(``readStar`` in metadata_table.cpp, 3.1 to 5.0), so a table may also be looked for from the end.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError
from ..host.shared_files import opened_input
from .star_lines import PIECE
from .star_reader import Block
from .star_tables import iter_blocks, iter_rows

__all__ = ["Block", "block_behind", "column", "first_block", "read_block", "read_blocks"]

LONGEST_NAME = 1 << 10  # bytes of a line with a table's name
MOST_NAMED = 20  # tables that a sentence lists


def read_blocks(
    path: str | PathLike[str],
    rows: int | None = None,
    whole: Container[str] = (),
    only: str | None = None,
    at_most: int | None = None,
) -> Iterator[Block]:
    """The blocks of the STAR file at ``path``, in order; see :func:`star_tables.iter_blocks`.

    The file is closed as soon as the caller drops the iterator.
    Raises InputError when the file cannot be opened, is no STAR file, or is damaged.
    """
    try:
        with opened_input(path) as stream:
            yield from iter_blocks(stream, str(path), rows, whole, only, at_most=at_most)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | PathLike[str], error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be read ({error.strerror or error}); check that the job that writes the "
        "file has finished."
    )


def read_block(path: str | PathLike[str], name: str, rows: int | None = None) -> Block:
    """The block ``data_<name>`` of the STAR file at ``path``, with at most ``rows`` rows.

    Raises InputError as :func:`read_blocks` does, and when the file has no such block.
    """
    seen: list[str] = []
    for block in read_blocks(path, rows, only=name):
        if block.name == name:
            return block
        if len(seen) < MOST_NAMED:
            seen.append(f"data_{block.name[:40]}")
    raise InputError(
        f"{path} has no block data_{name}, only {', '.join(seen) or 'nothing'}; check that this is "
        "the right file, and that the job that writes the file has finished."
    )


def first_block(path: str | PathLike[str], rows: int | None = None) -> Block | None:
    """The first table of the STAR file, which RELION reads when it asks for no name; None if the
    file has none. Raises InputError as :func:`read_blocks` does."""
    return next(read_blocks(path, rows), None)


def column(path: str | PathLike[str], label: str, name: str | None = None) -> Iterator[str]:
    """The values under ``label`` one by one, of the table ``name`` or of the first; none without.

    Raises InputError as :func:`read_blocks` does.
    """
    try:
        with opened_input(path) as stream:
            for block in iter_blocks(stream, str(path), rows=0, only=name):
                if name is None or block.name == name:
                    if label in block.labels:
                        at = block.labels.index(label)
                        for row in iter_rows(stream, str(path), block):
                            yield row[at]
                    return
    except OSError as error:
        raise _unreadable(path, error) from error


def block_behind(path: Path, name: str, after: int, rows: int | None = None) -> Block | None:
    """The block ``data_<name>`` that stands behind the first ``after`` bytes; None if none.

    The block has all its rows, or at most ``rows``.

    The file is searched piece by piece from its end, where a table that stands behind a million
    particles is: 1 MB of such a file is read, and all of it (300 MB in 0.1 s, when the machine has
    read the file before) only if there is no such table. RELION takes the first of two tables of
    one name, this function the last.

    Raises InputError when the file cannot be read or the block is damaged.
    """
    wanted = re.compile(rb"data_" + re.escape(name.encode()) + rb" *\r?(?=\n|\Z)")
    try:
        with opened_input(path) as stream:
            end = stream.seek(0, 2)
            while end > after:
                begin = max(after, end - PIECE)
                stream.seek(begin)
                piece = stream.read(end - begin + LONGEST_NAME)
                if b"\0" in piece:
                    raise InputError(
                        f"{path} has zero bytes in it, so the file is binary, or was not written "
                        "completely; check that the job that writes the file has finished."
                    )
                for found in reversed(list(wanted.finditer(piece))):
                    line = piece.rfind(b"\n", 0, found.start()) + 1
                    if piece.find(b"data_", line) == found.start():
                        return _block_at(stream, path, begin + line, rows)
                end = begin
    except OSError as error:
        raise _unreadable(path, error) from error
    return None


def _block_at(stream: BinaryIO, path: Path, begin: int, rows: int | None) -> Block | None:
    """The block that begins after so many bytes; only for errors are the lines before counted."""
    stream.seek(begin)
    try:
        return next(iter_blocks(stream, str(path), rows), None)
    except InputError:
        first = _lines_before(stream, begin) + 1
        stream.seek(begin)
        return next(iter_blocks(stream, str(path), rows, first=first), None)


def _lines_before(stream: BinaryIO, end: int) -> int:
    """The line ends in the first ``end`` bytes."""
    stream.seek(0)
    pieces = (stream.read(min(PIECE, end - at)) for at in range(0, end, PIECE))
    return sum(piece.count(b"\n") for piece in pieces)
