"""Tell RELION how a job ended: one sentence in run.err, then one exit file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..errors import WriteError
from ..relion.exit_files import (
    End,
    control_folder,
    end_of,
    exit_file,
    look_again,
    make_exit_file,
)
from .folder_lock import folder_locked
from .record import read_record

__all__ = ["tell"]


def tell(folder: Path, errfile: Path, end: End, sentence: str, token: str) -> bool:
    """Append a sentence to the job's error file, then make its exit file; False if not done.

    Nothing is done if RELION already knows an end, or if the job was submitted again meanwhile: its
    record then has another token. The `token` of a job without a record is "". If several processes
    tell at the same moment, one of them does. A full disk may have no room for the sentence.

    Raises:
        WriteError: the folder cannot be written.
    """
    with folder_locked(folder):
        look_again(folder)
        record = read_record(folder)
        if end_of(folder) or (record.token if record else "") != token:
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
            make_exit_file(folder, end)
        except OSError as error:
            if end_of(folder):  # only its time could not be set
                return True
            raise WriteError(
                f"relion-dispatch cannot tell RELION that the job {folder} has ended "
                f"({error.strerror}): free space on the disk or correct the folder's permissions."
            ) from error
        return True
