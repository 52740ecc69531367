"""Does a version of RELION read the line ends of a STAR file?

RELION 4.0 and newer look for CR+LF in the lines that they pass while they look for a table, and
stop (``readStar``, metadata_table.cpp:1143, 4.0). RELION 3.1 passes over a CR in a loop, but takes
that in ``data_optics<CR>`` for a part of the name, and that behind the value of a pair for a part
of the value (tried with 3.1.3 and 5.1.0). A CR without LF ends a line for no version.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from ..host.shared_files import opened_input

__all__ = ["line_end_problem"]

HEAD = 64 << 10  # bytes that are read; who edits a file in Windows changes all line ends


def line_end_problem(path: Path, relion: tuple[int, int] | None) -> str | None:
    """A sentence if RELION of that version does not read the file's line ends; None if it does, or
    if the file cannot be read. An unknown version (None) is taken for a new one.
    """
    try:
        with opened_input(path) as stream:
            head = stream.read(HEAD)
    except OSError:
        return None
    if b"\r" not in head:
        return None
    file = shlex.quote(str(path))
    if b"\n" not in head:
        return (
            f"The lines of {path} end in CR alone, which no RELION reads; make another file with "
            f"`tr '\\r' '\\n' < {file} > NEW.star`, and choose that."
        )
    lines = head.split(b"\n")
    line = _first_by_name(lines) if relion and relion < (4, 0) else _first(lines, relion)
    if line is None:
        return None
    versions = (
        "RELION 3.1 reads only in a file of one loop"
        if relion and relion < (4, 0)
        else ("RELION 4.0 and newer do not read")
    )
    return (
        f"{path}, line {line}, ends in CR+LF as in Windows, which {versions}; correct the file "
        f"with `sed -i 's/\\r$//' {file}` or with dos2unix."
    )


def _first(lines: list[bytes], relion: tuple[int, int] | None) -> int | None:
    """The first line at which RELION 4.0 or newer stops, counted from 1.

    5.0 looks for a table data_general, which most files do not have, and so passes all lines
    (``ObservationModel::loadSafely``, obs_model.cpp); 4.0 none behind the name of the last table.
    """
    if relion and relion < (5, 0):
        last = max((n for n, line in enumerate(lines) if b"data_" in line), default=len(lines))
        lines = lines[: last + 1]
    ends = (n for n, line in enumerate(lines, 1) if len(line) > 1 and line.endswith(b"\r"))
    return next(ends, None)


def _first_by_name(lines: list[bytes]) -> int | None:
    """The first line of a table that RELION 3.1 would not find by its name, or with pairs."""
    tables = [n for n, line in enumerate(lines, 1) if b"data_" in line]
    named = [n for n in tables if lines[n - 1].endswith(b"\r")]
    pairs = not any(b"loop_" in line for line in lines)
    return named[0] if named and (pairs or len(tables) > 1) else None
