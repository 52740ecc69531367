"""The files by which RELION learns how a job ended (``src/pipeline_control.h``, 3.1 to 5.0)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..errors import WriteError
from ..jobs.record import folder_locked, read_record

__all__ = [
    "ABORT_NOW",
    "ENDS",
    "End",
    "control_folder",
    "end_of",
    "exit_file",
    "look_again",
    "tell",
]

End = Literal["SUCCESS", "FAILURE", "ABORTED"]

ABORT_NOW = "RELION_JOB_ABORT_NOW"
ENDS: tuple[End, ...] = ("SUCCESS", "FAILURE", "ABORTED")  # in the order in which RELION looks


def control_folder(folder: Path, token: str | None) -> Path:
    """Where a running job's programs put their exit files, and its script keeps what it needs at a
    full disk: ``reserve``, which takes room, and ``ending``, to be renamed."""
    return folder / f".dispatch_control.{token}"


def end_of(folder: Path) -> End | None:
    """What RELION finds in a job's folder; None while the job has not ended for it, or where the
    folder cannot be looked into."""
    return next((end for end in ENDS if os.access(exit_file(folder, end), os.F_OK)), None)


def look_again(folder: Path) -> None:
    """Have a network file system forget which files were not there."""
    with suppress(OSError), os.scandir(folder) as entries:
        next(entries, None)


def tell(folder: Path, errfile: Path, end: End, sentence: str, token: str | None) -> bool:
    """Append a sentence to the job's error file, then make its exit file; whether that was done.

    It is not done where RELION knows an end already, or where the job was submitted anew
    meanwhile: its record then has another token. `token` None stands for a job without a record.
    Of several who tell at the same moment one does. A full disk may have no room for the sentence.

    Raises:
        WriteError: the folder cannot be written.
    """
    with folder_locked(folder):
        look_again(folder)
        record = read_record(folder)
        if end_of(folder) or (record or {}).get("token") != token:
            return False
        control = control_folder(folder, token)
        with suppress(OSError):
            (control / "reserve").unlink()
        with (
            suppress(OSError),
            errfile.open("a", encoding="utf-8", errors="surrogateescape") as stream,
        ):
            stream.write(f"relion-dispatch: {sentence}\n")
        with suppress(OSError):
            (control / "ending").rename(exit_file(folder, end))
        try:
            exit_file(folder, end).touch()
        except OSError as error:
            if end_of(folder):  # only its time could not be set
                return True
            raise WriteError(
                f"RELION cannot be told the end of {folder} ({error.strerror}): free space or "
                "mend the folder's permissions."
            ) from error
        return True


def exit_file(folder: Path, end: End) -> Path:
    """The file that tells RELION this end."""
    return folder / f"RELION_JOB_EXIT_{end}"
