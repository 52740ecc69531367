"""Standard output and standard error of a command, through which no text of others acts.

A job's name, a record or a scheduler's message can hold escape sequences, which would move the
terminal's cursor, or more. Each command prints through these streams, so no command has to think
of it. What a terminal is told on purpose goes by :func:`to_terminal`, and what must come out byte
for byte, such as a script, by a stream's ``buffer``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from ..printable import printable

__all__ = ["shown_streams", "to_terminal", "write_exactly"]


class _Shown:
    """A stream that writes each line as a terminal may show it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        shown = "\n".join(map(printable, text.split("\n")))
        encoding = self.stream.encoding or "utf-8"  # of a terminal that may know less
        self.stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


@contextmanager
def shown_streams() -> Iterator[None]:
    """Let what is printed while the block runs pass through these streams."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        cast(TextIO, _Shown(each)) if each is not None else each for each in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def to_terminal(controls: str, stream: TextIO) -> None:
    """Write control characters of our own, such as those that clear a terminal."""
    real = stream.stream if isinstance(stream, _Shown) else stream
    real.write(controls)
    real.flush()


def write_exactly(text: str) -> None:
    """Write a script to standard output: byte for byte, but to a terminal as it may be shown."""
    if sys.stdout.isatty():
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    buffer: BinaryIO = sys.stdout.buffer
    buffer.write(text.encode(errors="surrogateescape"))
    buffer.flush()
