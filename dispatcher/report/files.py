"""Write a report's files whole, over an earlier report of that name, and over nothing else."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

from ..errors import InputError
from ..host.atomic_files import write_atomically
from ..host.shared_files import read_file

__all__ = ["refuse_other_file", "write_report"]

_HEAD = 4096  # bytes in which the mark stands
_LONGEST = 64 << 20  # bytes of an earlier report


def write_report(path: Path, text: str, mark: str) -> None:
    """Write the file; `mark` is what shows that a file is such a report.

    Raises:
        InputError: something else has that name.
        WriteError: the folder cannot be written, or the disk is full.
    """
    refuse_other_file(path, mark)
    write_atomically(path, text, "and make the report again.")


def refuse_other_file(path: Path, mark: str) -> None:
    """Raise InputError if the name is taken, but not by an earlier report."""
    if stat.S_ISDIR(_mode(path)):
        raise InputError(f"{path} is a folder: give the name of the file that is to be written.")
    with suppress(FileNotFoundError):
        path.lstat()
        try:
            found = read_file(path, _LONGEST)[:_HEAD]
        except OSError:
            found = b""
        if mark.encode() not in found:
            raise InputError(
                f"{path} already exists, and is no report of relion-dispatch: remove the file, or "
                "name another."
            )


def _mode(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mode
    return 0
