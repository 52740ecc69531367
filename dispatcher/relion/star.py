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

from ..errors import InputError
from .star_tables import Block, iter_blocks

__all__ = ["Block", "block_behind", "first_block", "read_block", "read_blocks"]

PIECE = 1 << 20  # bytes that are searched at a time
LONGEST_NAME = 1 << 10  # bytes of a line with a table's name


def read_blocks(
    path: str | PathLike[str],
    rows: int | None = None,
    whole: Container[str] = (),
    only: str | None = None,
) -> Iterator[Block]:
    """The blocks of the STAR file at ``path``, in order; see :func:`star_tables.iter_blocks`.

    The file is closed as soon as the caller drops the iterator.
    Raises InputError when the file cannot be opened, is no STAR file, or is damaged.
    """
    try:
        with open(path, "rb") as stream:
            yield from iter_blocks(stream, str(path), rows, whole, only)
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
    seen = []
    for block in read_blocks(path, rows, only=name):
        if block.name == name:
            return block
        seen.append(f"data_{block.name}")
    raise InputError(
        f"{path} has no block data_{name}, only {', '.join(seen) or 'nothing'}; check that this is "
        "the right file, and that the job that writes the file has finished."
    )


def first_block(path: str | PathLike[str], rows: int | None = None) -> Block | None:
    """The first table of the STAR file, which RELION reads when it asks for no name; None if the
    file has none. Raises InputError as :func:`read_blocks` does."""
    return next(read_blocks(path, rows), None)


def block_behind(path: Path, name: str, after: int) -> Block | None:
    """The whole block ``data_<name>`` that stands behind the first ``after`` bytes; None if none.

    The file is searched piece by piece from its end, where a table that stands behind a million
    particles is: 1 MB of such a file is read, and all of it (300 MB in 0.1 s, when the machine has
    read the file before) only if there is no such table. RELION takes the first of two tables of
    one name, this function the last.

    Raises InputError when the file cannot be read or the block is damaged.
    """
    wanted = re.compile(rb"data_" + re.escape(name.encode()) + rb" *\r?(?=\n|\Z)")
    try:
        with open(path, "rb") as stream:
            end = stream.seek(0, 2)
            while end > after:
                begin = max(after, end - PIECE)
                stream.seek(begin)
                piece = stream.read(end - begin + LONGEST_NAME)
                for found in reversed(list(wanted.finditer(piece))):
                    line = piece.rfind(b"\n", 0, found.start()) + 1
                    if piece.find(b"data_", line) == found.start():
                        stream.seek(begin + line)
                        return next(iter_blocks(stream, str(path)), None)
                end = begin
    except OSError as error:
        raise _unreadable(path, error) from error
    except InputError:  # its lines are counted from that table on
        return read_block(path, name)
    return None
