"""``relion-dispatch reproduce``: a recorded job again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError

__all__ = ["reproduce"]


def reproduce(
    job: Annotated[
        Path, typer.Argument(metavar="JOB", help="The job's folder, or one of its records.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder for the results, new or empty. Default: Reproduced/JOB."
        ),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the script to this file instead of printing it."),
    ] = None,
    accept_changed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Go on although this input has changed, or may have changed.",
        ),
    ] = None,
) -> int:
    """Write a script that runs a job's commands again.

    The script uses the same image, inputs and parameters; the results go to another folder. If the
    image or an input is not the same, the command says why, and writes nothing.
    """
    from ..config.configuration import load_configuration
    from ..reproduction.reproduce import reproduction

    accepted = [str(path) for path in accept_changed or []]
    text, notes = reproduction(job, output, accepted, load_configuration())
    if write is None:
        sys.stdout.buffer.write(text.encode(errors="surrogateescape"))
    else:
        from ..host.atomic_files import create_file

        try:
            create_file(write, text, "or name another file.", 0o777)
        except FileExistsError as error:
            message = f"{write} already exists: remove the file, or name another file."
            raise InputError(message) from error
        print(f"Written: {write}. Run it with `bash {write}`.")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return 0
