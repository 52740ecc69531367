"""The files by which RELION learns how a job ended (``src/pipeline_control.h``, 3.1 to 5.0)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..errors import WriteError
from ..record import folder_locked, read_record

__all__ = ["ABORT_NOW", "CONTROL", "End", "end_of", "tell"]

End = Literal["SUCCESS", "FAILURE", "ABORTED"]

ABORT_NOW = "RELION_JOB_ABORT_NOW"
CONTROL = ".dispatch_control"  # where a running job's programs put their exit files
_ENDS: tuple[End, ...] = ("SUCCESS", "FAILURE", "ABORTED")  # in the order in which RELION looks


def end_of(folder: Path) -> End | None:
    """What RELION finds in a job's folder; None while the job has not ended for it."""
    return next((end for end in _ENDS if _file(folder, end).exists()), None)


def tell(folder: Path, errfile: Path, end: End, sentence: str, token: str | None) -> bool:
    """Append a sentence to the job's error file, then make its exit file; whether that was done.

    It is not done where RELION knows an end already, or where the job was submitted anew
    meanwhile: its record then has another token. `token` None stands for a job without a record.
    Of several who tell at the same moment one does.

    Raises:
        WriteError: the folder cannot be written.
    """
    with folder_locked(folder):
        record = read_record(folder)
        if end_of(folder) or (record or {}).get("token") != token:
            return False
        try:
            with errfile.open("a", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(f"relion-dispatch: {sentence}\n")
            _file(folder, end).touch()
        except OSError as error:
            raise WriteError(
                f"RELION cannot be told the end of {folder} ({error.strerror}): free space or "
                "mend the folder's permissions."
            ) from error
        return True


def _file(folder: Path, end: End) -> Path:
    return folder / f"RELION_JOB_EXIT_{end}"
