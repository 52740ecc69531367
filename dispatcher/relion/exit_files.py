"""The files by which the program that waits for a job learns how it ended, and tells it to stop.

RELION has its own (``src/pipeline_control.h``, 3.1 to 5.0), and so has the CCP-EM Pipeliner
(``pipeliner/data_structure.py``, 1.6.1). A job of the Pipeliner is told in both, and what the
Pipeliner's files say counts: the programs that its job runner starts write RELION's at any time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..host.shared_files import shared_folder
from ..refusal.tell_end import exit_name, tell_end, waiting_program
from .submission import SUBMISSION

__all__ = ["ABORT_NOW", "ENDS", "STATES", "End", "control_folder", "end_of", "exit_file",
           "look_again", "make_exit_file", "names_of_earlier_runs", "wants_abort"]  # fmt: skip

End = Literal["SUCCESS", "FAILURE", "ABORTED"]

ABORT_NOW = "RELION_JOB_ABORT_NOW"
# RELION's word for the state of a job with this end.
STATES: dict[End, str] = {"SUCCESS": "Succeeded", "FAILURE": "Failed", "ABORTED": "Aborted"}
ENDS: tuple[End, ...] = ("SUCCESS", "FAILURE", "ABORTED")  # in the order in which RELION looks
_PIPELINERS_ABORT_NOW = "PIPELINER_JOB_ABORT_NOW"


def control_folder(folder: Path, token: str | None, number: int = 1) -> Path:
    """Where the programs of a job's run put their exit files, and its script keeps what it needs at
    a full disk: ``reserve``, which takes room, and ``ending``, to be renamed."""
    return folder / f".dispatch_control.{token}{f'.{number}' if number > 1 else ''}"


def end_of(folder: Path) -> End | None:
    """The end that the waiting program finds in its folder; None while there is none, or if the
    folder cannot be looked into."""
    found = {waiting: _found(folder, waiting) for waiting in ("RELION", "PIPELINER")}
    if not any(found.values()):
        return None
    return found[_waiting_program(folder)]


def _found(folder: Path, waiting: str) -> End | None:
    names = ((end, exit_name(waiting, end)) for end in ENDS)
    return next((end for end, name in names if os.access(folder / name, os.F_OK)), None)


def _waiting_program(folder: Path) -> str:
    try:
        with shared_folder(folder) as opened:
            return waiting_program(opened.descriptor, SUBMISSION)
    except OSError:
        return "RELION"


def look_again(folder: Path) -> None:
    """Have a network file system forget which files were not there."""
    with suppress(OSError), os.scandir(folder) as entries:
        next(entries, None)


def exit_file(folder: Path, end: End) -> Path:
    """The file that tells this end to the program that waits."""
    return folder / exit_name(_waiting_program(folder), end)


def make_exit_file(folder: Path, end: End) -> None:
    """Tell this end, also where a disk or a quota has no room for one more file.

    Raises:
        OSError: nothing in the folder can get the file's name.
    """
    with shared_folder(folder) as opened:
        tell_end(opened.descriptor, end, SUBMISSION)
        # As the Pipeliner's job runner does at its end: else the job's next run would be aborted.
        with suppress(OSError):
            opened.remove(_PIPELINERS_ABORT_NOW)


def wants_abort(folder: Path) -> bool:
    """Whether the job's user has aborted it, in RELION or in the Pipeliner."""
    names = (ABORT_NOW, _PIPELINERS_ABORT_NOW)
    return any(os.path.lexists(folder / name) for name in names)


def names_of_earlier_runs(folder: Path) -> list[str]:
    """The files that an earlier run may have left. Not RELION's abort of a job of RELION's: RELION
    has removed an earlier one, and if a clock is wrong, one of this run may seem older than it."""
    ends = [exit_name(waiting, end) for waiting in ("RELION", "PIPELINER") for end in ENDS]
    others = [] if _waiting_program(folder) == "RELION" else [ABORT_NOW]
    return [*ends, _PIPELINERS_ABORT_NOW, *others]
