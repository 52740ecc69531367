"""The files by which RELION learns how a job ended (``src/pipeline_control.h``, 3.1 to 5.0)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from .. import refusal
from ..host.shared_files import shared_folder
from .submission import SUBMISSION

__all__ = ["ABORT_NOW", "ENDS", "End", "control_folder", "end_of", "exit_file", "look_again",
           "make_exit_file"]  # fmt: skip

End = Literal["SUCCESS", "FAILURE", "ABORTED"]

ABORT_NOW = "RELION_JOB_ABORT_NOW"
ENDS: tuple[End, ...] = ("SUCCESS", "FAILURE", "ABORTED")  # in the order in which RELION looks


def control_folder(folder: Path, token: str | None) -> Path:
    """Where a running job's programs put their exit files, and its script keeps what it needs at a
    full disk: ``reserve``, which takes room, and ``ending``, to be renamed."""
    return folder / f".dispatch_control.{token}"


def end_of(folder: Path) -> End | None:
    """The end that RELION finds in a job's folder; None while there is none, or if the folder
    cannot be looked into."""
    return next((end for end in ENDS if os.access(exit_file(folder, end), os.F_OK)), None)


def look_again(folder: Path) -> None:
    """Have a network file system forget which files were not there."""
    with suppress(OSError), os.scandir(folder) as entries:
        next(entries, None)


def exit_file(folder: Path, end: End) -> Path:
    """The file that tells RELION this end."""
    return folder / f"RELION_JOB_EXIT_{end}"


def make_exit_file(folder: Path, end: End) -> None:
    """Tell RELION this end, also where a disk or a quota has no room for one more file.

    Raises:
        OSError: nothing in the folder can get the file's name.
    """
    with shared_folder(folder) as opened:
        refusal.make_exit_file(opened.descriptor, exit_file(folder, end).name, SUBMISSION)
