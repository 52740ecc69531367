"""The lines of a STAR file, whatever the file is: in constant memory, and no more than will do.

A file that only looks like a STAR file at its beginning may have lines without end, or a thousand
million of them. Rows that nobody asked for are passed over a piece at a time: 300 MB, the rows of
1.5 million particles, in 0.2 s.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from ..errors import InputError
from .star_line import not_star

__all__ = ["PIECE", "StarLines"]

PIECE = 1 << 20  # bytes that are searched at a time
_FIRST_PIECE = 4 << 10  # most tables that are passed over have a few rows
LONGEST_LINE = 1 << 20  # bytes; a longer line is no STAR file, and must not fill the memory
MOST_LINES = 200_000  # that are read one by one
DROPPED = b"\v\b\r\f\a"  # RELION passes over these characters

# The line break before the line that ends the rows of a loop; in a loop of more than one column a
# table's name ends the rows as well.
_BLANK = rb"[ \t" + DROPPED + rb"]*"
_BLANK_LINE = re.compile(rb"\n" + _BLANK + rb"\n")
_BLANK_OR_TABLE = re.compile(rb"\n" + _BLANK + rb"(?:data_[^ \n]*" + _BLANK + rb")?\n")


class StarLines:
    """The lines from where the stream stands; iterating gives each line's number, the bytes before
    it, and its text without blanks around it. Bytes that are not UTF-8 survive as surrogates.

    Raises InputError with the path and the line for what is no text, for more lines than any table
    needs that is read line by line (`most_lines`), and for a file longer than `at_most` bytes.
    """

    def __init__(
        self,
        stream: BinaryIO,
        path: str,
        number: int = 1,
        *,
        most_lines: int | None = MOST_LINES,
        at_most: int | None = None,
    ) -> None:
        self._stream = stream
        self._path = path
        self._number = number
        self._at = stream.tell()
        self._left = most_lines
        self._at_most = at_most

    def __iter__(self) -> StarLines:
        return self

    def __next__(self) -> tuple[int, int, str]:
        raw = self._stream.readline(LONGEST_LINE)
        if not raw:
            raise StopIteration
        number, at = self._number, self._at
        if b"\0" in raw or (len(raw) == LONGEST_LINE and not raw.endswith(b"\n")):
            raise not_star(self._path, number)
        self._number += 1
        self._at += len(raw)
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise self._too_long(f"{MOST_LINES} lines")
        if self._at_most is not None and self._at > self._at_most:
            raise self._too_long(f"{self._at_most >> 20} MB")
        text = raw.translate(None, DROPPED).decode("utf-8", "surrogateescape").strip(" \n")
        return number, at, text

    def skip_rows(self, columns: int) -> None:
        """Pass over the rows of a loop with that many columns, up to the line that ends them."""
        end_of_rows = _BLANK_LINE if columns == 1 else _BLANK_OR_TABLE
        size = _FIRST_PIECE
        while piece := self._stream.read(size):
            size = min(4 * size, PIECE)
            if not piece.endswith(b"\n"):
                piece += self._stream.readline(LONGEST_LINE)
            if (zero := piece.find(b"\0")) >= 0:
                raise not_star(self._path, self._number + piece.count(b"\n", 0, zero))
            found = end_of_rows.search(b"\n" + piece)
            end = found.start() if found else len(piece)
            self._number += piece.count(b"\n", 0, end)
            self._at += end
            if self._at_most is not None and self._at > self._at_most:
                raise self._too_long(f"{self._at_most >> 20} MB")
            if found:
                self._stream.seek(self._at)
                return

    def _too_long(self, most: str) -> InputError:
        return InputError(
            f"{self._path}, line {self._number}: the file has more than {most} here, which no file "
            "of this kind has; check that this is the right file."
        )
