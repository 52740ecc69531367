"""The last lines of what a job has printed: run.out and run.err."""

from __future__ import annotations

import os
from pathlib import Path

from ..host.shared_files import opened_input

__all__ = ["last_lines", "last_sentence"]

_TAIL = 1 << 14  # bytes of run.err in which the dispatcher's last sentence is looked for
_LINE = 1 << 13  # bytes that a line may have, with all states of a progress bar


def last_lines(file: Path, number: int) -> list[str] | None:
    """So many lines from the end of a file, without those that are empty; None without the file.

    Of a line that was written again and again, as RELION's progress bar is, the last state.
    """
    found = _tail(file, (number + 1) * _LINE)
    if found is None:
        return None
    lines = (line.rstrip().rpartition("\r")[2].rstrip() for line in found)
    return [line for line in lines if line][-number:] if number else []


def last_sentence(errfile: Path) -> str | None:
    """The last line that the dispatcher wrote to a job's error file."""
    said = [line for line in _tail(errfile, _TAIL) or () if line.startswith("relion-dispatch: ")]
    return said[-1].removeprefix("relion-dispatch: ") if said else None


def _tail(file: Path, size: int) -> list[str] | None:
    """The lines of the file's last bytes."""
    try:
        with opened_input(file) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
            return stream.read(size).decode(errors="surrogateescape").split("\n")
    except OSError:
        return None
