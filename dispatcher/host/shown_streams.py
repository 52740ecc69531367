"""Standard output and standard error of a command, through which no text of others acts.

A job's name, a record or a scheduler's message can hold escape sequences, which would move the
terminal's cursor, or more. Each command prints through these streams, so no command has to think
of it. What a terminal is told on purpose goes by :func:`to_terminal`, and what must come out byte
for byte, such as a script, by :func:`write_exactly`.

Whoever reads may stop, as ``head`` does after ten lines: then the command ends (`OutputLost`).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, cast

from ..printable import printable

__all__ = ["OutputLost", "flush_all", "shown_streams", "to_terminal", "write_exactly"]


class OutputLost(BaseException):
    """What the command prints reaches nobody; ends the command, as SIGPIPE ends most programs."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.nobody_reads = error.errno == errno.EPIPE
        self.why = error.strerror or str(error)


class _Shown:
    """A stream that writes each line as a terminal may show it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        shown = "\n".join(map(printable, text.split("\n")))
        encoding = self.stream.encoding or "utf-8"  # of a terminal that may know less
        with _told_of_its_end(self.stream):
            self.stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with _told_of_its_end(self.stream):
            self.stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


@contextmanager
def _told_of_its_end(stream: TextIO) -> Iterator[None]:
    """Raise OutputLost if the stream takes nothing more. What it still holds goes nowhere: else
    the interpreter, which writes that at its end, would complain."""
    try:
        yield
    except OSError as error:
        with suppress(OSError, ValueError):  # a stream in memory has no descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        raise OutputLost(error) from error


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


def flush_all() -> None:
    """Write what standard output and standard error still hold.

    Raises:
        OutputLost: one of them takes nothing more.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()


def to_terminal(controls: str, stream: TextIO) -> None:
    """Write control characters of our own, such as those that clear a terminal or colour a line."""
    real = stream.stream if isinstance(stream, _Shown) else stream
    encoding = real.encoding or "utf-8"
    with _told_of_its_end(real):
        real.write(controls.encode(encoding, "backslashreplace").decode(encoding))
        real.flush()


def write_exactly(text: str) -> None:
    """Write a script to standard output: byte for byte, but to a terminal as it may be shown."""
    if sys.stdout.isatty():
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    with _told_of_its_end(sys.stdout):
        sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
        sys.stdout.buffer.flush()
