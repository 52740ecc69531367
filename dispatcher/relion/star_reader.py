"""One table of a STAR file after the other, a line at a time; the dialect stands in star_tables."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import NamedTuple

from ..errors import InputError
from .star_line import damaged, label, not_star, row, words

__all__ = ["Block", "StarReader"]

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


class StarReader:
    """What was read of the table that the line `line` belongs to, and what may come next.

    `state` is the method that takes the next line, without blanks around it. It returns the block
    that ends there, if one does. `number` is the line's, and `at` the bytes before the line.
    """

    def __init__(
        self, path: str, rows: int | None, whole: Container[str], only: str | None
    ) -> None:
        self.number, self.at, self.line = 0, 0, ""
        self.labels: list[str] = []
        self.state: Callable[[str], Block | None] = self.outside
        self._path, self._rows, self._whole, self._only = path, rows, whole, only
        self._name: str | None = None
        self._values: list[tuple[str, ...]] = []
        self._start, self._first_row = 0, (0, 0)
        self._limit, self._room = rows, MOST_VALUES

    def outside(self, text: str) -> Block | None:
        """Before the first table, or behind the rows of one."""
        if "data_" in text:
            self._begin(text)
        return None

    def opened(self, text: str) -> Block | None:
        """Behind ``data_``."""
        if "data_" in text:
            self._begin(text)
        elif "loop_" in text:
            self.state, self._start = self.head, self.number
        else:
            self._add_pair(text)
        return None

    def pairs(self, text: str) -> Block | None:
        """Behind the first name and value of a simple block."""
        if text.startswith("loop_") or ("data_" in text and text[0] not in "_#;"):
            return self._begin(text, self._block())
        self._add_pair(text)
        return None

    def head(self, text: str) -> Block | None:
        """Behind ``loop_``, among the labels."""
        if not text or text[0] in "#;":
            return None
        if text[0] == "_":
            self._add_label(label(text))
            return None
        self._refuse_no_labels(self.number)
        if self._ends_loop(text):
            return self._begin(text, self._block())
        self.state, self._first_row = self.rows, (self.number, self.at)
        return self.rows(text)

    def rows(self, text: str) -> Block | None:
        """Among the rows of a loop."""
        if not text:
            self.state = self.outside
            return self._block()
        if self._limit != 0:
            self._values += row(text, self._name or "", self.labels, self._path, self.number)
            self._room -= len(self.labels)
        if self._room < 0:
            raise InputError(
                f"{self._path}, line {self.number}: data_{self._name} has more rows than such a "
                "table can have; check that this is the right file."
            )
        if self._limit is None or len(self._values) < self._limit:
            return None
        self.state = self.rest
        return self._block()

    def rest(self, text: str) -> Block | None:
        """Behind the last row that is asked for."""
        if not text:
            self.state = self.outside
        elif self._ends_loop(text):
            self._begin(text)
        return None

    def end(self) -> Block | None:
        """The block that ends with the file, if one does."""
        if self._name is None:
            raise not_star(self._path, 1)
        if self.state == self.head:
            self._refuse_no_labels(self._start)
        return self._block() if self.state in (self.pairs, self.head, self.rows) else None

    def _begin(self, text: str, ended: Block | None = None) -> Block | None:
        """Begin a table, or the loop of a table that has begun with pairs; return what ended."""
        if text.startswith("loop_"):
            self.state = self.head
        else:
            self.state = self.opened
            # To RELION, a tab behind the name is part of it.
            name = self.line.partition("data_")[2][:LONGEST_NAME]
            is_other = self._only not in (None, name)
            self._limit = None if name in self._whole else 0 if is_other else self._rows
            self._name = name
        self.labels, self._values = [], []
        self._start, self._first_row = self.number, (0, 0)
        return ended

    def _ends_loop(self, text: str) -> bool:
        """Whether a table begins in this line; in a single column it could be a row."""
        return text.startswith("data_") and " " not in text and len(self.labels) != 1

    def _block(self) -> Block:
        values = tuple(self._values)
        return Block(self._name or "", tuple(self.labels), values, self._start, self._first_row)

    def _add_pair(self, text: str) -> None:
        if not text.startswith("_"):
            return
        key, *given = words(text, self._path, self.number)
        if not given:
            raise damaged(self._path, self.number, f"{key[:40]} has no value")
        self.state = self.pairs
        self._values = [(*(self._values[0] if self._values else ()), given[0])]
        self._add_label(key)

    def _add_label(self, text: str) -> None:
        self.labels.append(text)
        if len(self.labels) > MOST_LABELS:
            raise InputError(
                f"{self._path}, line {self.number}: no table of RELION's has more than "
                f"{MOST_LABELS} labels; check that this is the right file."
            )

    def _refuse_no_labels(self, number: int) -> None:
        if not self.labels:
            raise damaged(self._path, number, "a loop without labels")
