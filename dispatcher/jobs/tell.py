"""Tell RELION how a job ended: one sentence in run.err, then one exit file."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

from ..errors import WriteError
from ..host.atomic_files import keep_previous
from ..host.shared_files import NotAFile, shared_folder
from ..printable import printable
from ..refusal import IN_SIGHT, TWO_ROWS
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

    A sentence that RELION's window would not show whole is appended to the file of its output too.

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
        try:
            with ExitStack() as stack:
                opened, control = stack.enter_context(shared_folder(folder)), None
                newest = record.newest if record else 1
                within = control_folder(folder, token, newest).relative_to(folder)
                with suppress(OSError):  # there is none, or none that a token can name
                    control = stack.enter_context(opened.inside(str(within)))
                    control.remove("reserve")
                line = printable(f"relion-dispatch: {sentence}")
                _say(errfile, f"{IN_SIGHT}{line}\n")
                if len(line) > TWO_ROWS:
                    _say(errfile.with_suffix(".out"), f"{line}\n")
                if control:
                    with suppress(OSError):
                        opened.rename("ending", exit_file(folder, end).name, control)
            make_exit_file(folder, end)
        except OSError as error:
            if end_of(folder):  # only its time could not be set
                return True
            raise WriteError(
                f"relion-dispatch cannot tell RELION that the job {folder} has ended "
                f"({error.strerror}): free space on the disk or correct the folder's permissions."
            ) from error
        return True


def _say(file: Path, words: str) -> None:
    """Append words. What is no file of one name, or is closed, gives way to a new file."""
    text = words.encode()
    with suppress(OSError), shared_folder(file.parent) as folder:
        try:
            folder.append(file.name, text)
        except (NotAFile, PermissionError):
            with suppress(WriteError):
                keep_previous(file)
            folder.replace(file.name, text)
