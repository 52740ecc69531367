"""Read STAR files from their beginning, and no further than the caller needs.

A particle file of a million rows costs as much as its first kilobyte when only the optics table
and the first particle are wanted. The dialect is RELION's (``nextTokenInSTAR`` in
``src/strings.cpp``, ``readStarLoop`` in ``src/metadata_table.cpp``, 3.1 to 5.0): one row per
line, quoted values in single or double quotes, a ``#`` starts a comment only at the start of a
word, a blank line ends the rows of a loop, and there are no multi-line values. Unlike RELION we
also take CRLF line ends.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from os import PathLike
from typing import BinaryIO, NamedTuple

from ..errors import InputError

__all__ = ["QUOTED_OR_PLAIN", "Block", "iter_blocks", "read_block", "read_blocks"]

LONGEST_LINE = 1 << 20  # bytes; a longer line is no STAR file, and must not fill the memory
QUOTED_OR_PLAIN = re.compile(r"""(?:"(.*?)"|'(.*?)')(?=[ \t]|$)|([^ \t]+)""")


class Block(NamedTuple):
    """One table of a STAR file: a loop, or the name-value pairs of a simple block (one row).

    ``name`` has lost its prefix ('data_optics' -> 'optics'), ``labels`` are as in the file
    ('_rlnImageSize'), ``rows`` hold one string per label, ``line`` is where the block starts.
    """

    name: str
    labels: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int

    def column(self, label: str) -> tuple[str, ...]:
        """All values that were read under ``label``; empty when there is no such column."""
        if label not in self.labels:
            return ()
        index = self.labels.index(label)
        return tuple(row[index] for row in self.rows)

    def first(self, label: str) -> str | None:
        """The first value under ``label``, or None when there is no such column or no row."""
        return next(iter(self.column(label)), None)


def read_blocks(
    path: str | PathLike[str], rows: int | None = None, whole: Container[str] = ()
) -> Iterator[Block]:
    """The blocks of the STAR file at ``path``, in order; see :func:`iter_blocks`.

    The file is closed as soon as the caller drops the iterator.
    Raises InputError when the file cannot be opened, is no STAR file, or is damaged.
    """
    try:
        with open(path, "rb") as stream:
            yield from iter_blocks(stream, str(path), rows, whole)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{path} cannot be read ({reason}); check that the job that writes the file has "
            "finished."
        ) from error


def read_block(path: str | PathLike[str], name: str, rows: int | None = None) -> Block:
    """The block ``data_<name>`` of the STAR file at ``path``, with at most ``rows`` rows.

    Raises InputError as :func:`read_blocks` does, and when the file has no such block.
    """
    seen = []
    for block in read_blocks(path, rows):
        if block.name == name:
            return block
        seen.append(f"data_{block.name}")
    raise InputError(
        f"{path} has no block data_{name}, only {', '.join(seen) or 'nothing'}; check that this is "
        "the right file, and that the job that writes the file has finished."
    )


def iter_blocks(
    stream: BinaryIO, path: str, rows: int | None = None, whole: Container[str] = ()
) -> Iterator[Block]:
    """Yield the blocks of an open STAR file, reading only as far as the caller iterates.

    With ``rows`` a loop is yielded as soon as that many of its rows are read; what remains of it
    is passed over when the next block is asked for. A simple block always comes whole, and so do
    the blocks with the names ``whole``. ``path`` only names the file in errors. Raises InputError
    with file and line when the bytes are not a STAR file, a quote is not closed, or a row has not
    one value per label.
    """
    name: str | None = None
    labels: list[str] = []
    values: list[tuple[str, ...]] = []
    pairs: list[str] = []
    state = "simple"  # or "labels" and "rows" of a loop, "skip" (its rest), "between" blocks
    start = 0

    def finished() -> Block | None:
        """The block that ends here, unless there is none or it was yielded before."""
        if name is None or state in ("skip", "between") or (state == "simple" and not labels):
            return None
        table = (tuple(pairs),) if state == "simple" else tuple(values)
        return Block(name, tuple(labels), table, start)

    for number, line in _lines(stream, path):
        words = _words(line, path, number)
        if not words:
            if not line and state in ("rows", "skip"):
                if block := finished():
                    yield block
                state = "between"
            continue
        keyword = words[0]
        in_rows = state in ("rows", "skip")
        opens = keyword.startswith("data_") or keyword == "loop_"
        if in_rows or (state == "labels" and labels):  # could be a row like 'data_1/a.mrc 64'
            opens = opens and len(words) == 1 and (len(labels) > 1 or not in_rows)
        if opens:
            if state == "labels" and not labels:
                raise _damaged(path, number, "a loop without labels")
            if block := finished():
                yield block
            if keyword != "loop_":
                name = keyword.removeprefix("data_")
            elif name is None:
                raise _not_star(path, number)
            labels, values, pairs, start = [], [], [], number
            state = "labels" if keyword == "loop_" else "simple"
        elif name is None:
            raise _not_star(path, number)
        elif not in_rows and state != "between" and keyword.startswith("_"):
            labels.append(keyword)
            if state == "simple":
                if len(words) < 2:
                    raise _damaged(path, number, f"{keyword} has no value")
                pairs.append(words[1])
        elif state in ("labels", "rows"):
            if len(labels) == 2 and len(words) == 1:
                words.append("")  # 'fn_mtf <empty>' of older files; RELION takes it too
            if len(words) != len(labels):
                wrong = f"{len(words)} values for the {len(labels)} labels of data_{name}"
                raise _damaged(path, number, wrong)
            state = "rows"
            limit = None if name in whole else rows
            if limit is None or len(values) < limit:
                values.append(tuple(words))
            if limit is not None and len(values) >= limit and (block := finished()):
                yield block
                state = "skip"
    if name is None:
        raise _not_star(path, 1)
    if state == "labels" and not labels:
        raise _damaged(path, start, "a loop without labels")
    if block := finished():
        yield block


def _lines(stream: BinaryIO, path: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line, stripped; bytes that are not UTF-8 survive as surrogates."""
    number = 0
    while raw := stream.readline(LONGEST_LINE):
        number += 1
        if b"\0" in raw or (len(raw) == LONGEST_LINE and not raw.endswith(b"\n")):
            raise _not_star(path, number)
        yield number, raw.decode("utf-8", "surrogateescape").strip(" \t\r\n")


def _words(line: str, path: str, number: int) -> list[str]:
    """The values of one line without quotes and comment: `a "b c" # d` -> ['a', 'b c']."""
    if '"' not in line and "'" not in line and "#" not in line and line.isascii():
        return line.split()
    words = []
    for match in QUOTED_OR_PLAIN.finditer(line):
        double, single, plain = match.groups()
        if plain is not None:
            if plain.startswith("#"):
                break
            if plain[0] in "\"'":
                raise _damaged(path, number, f"the quote {plain[0]} is not closed")
            words.append(plain)
        else:
            words.append(single if double is None else double)
    return words


def _not_star(path: str, number: int) -> InputError:
    return InputError(
        f"{path}, line {number}: this is not a STAR file (no data_ block starts here, or the "
        "file is binary); check that the right file was given."
    )


def _damaged(path: str, number: int, what: str) -> InputError:
    return InputError(
        f"{path}, line {number}: {what}; the file is cut short or damaged: run the job that made "
        "the file again."
    )
