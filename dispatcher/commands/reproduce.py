"""``relion-dispatch reproduce``: a recorded job again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

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
    accept_program: Annotated[
        list[str] | None,
        typer.Option(metavar="PROGRAM", help="Run this program, which is none of RELION's."),
    ] = None,
    accept_bind: Annotated[
        list[str] | None,
        typer.Option(metavar="FOLDER", help="Let the commands see this folder."),
    ] = None,
    accept_word: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Keep this option of Apptainer, or this parameter."),
    ] = None,
    accept_image: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Take this image, which is not in the catalogue."),
    ] = None,
) -> int:
    """Write a script that runs a job's commands again.

    The script uses the same image, inputs and parameters; the results go to another folder. If the
    image or an input is not the same, or if the job's record asks for what RELION's jobs do not
    need, the command says why, and writes nothing.
    """
    from ..config.configuration import load_configuration
    from ..host.atomic_files import write_new
    from ..host.shell_words import quote
    from ..host.shown_streams import write_exactly
    from ..reproduction.reproduce import reproduction
    from ..reproduction.unusual import BIND, IMAGE, PROGRAM, WORD

    accepted = {
        PROGRAM: accept_program or [],
        BIND: accept_bind or [],
        WORD: accept_word or [],
        IMAGE: accept_image or [],
    }
    text, notes = reproduction(job, output, accept_changed or [], accepted, load_configuration())
    if write is None:
        write_exactly(text)
    else:
        write_new(write, text, "or name another file.", 0o777)
        print(f"Written: {write}. Run it with `bash {quote(str(write))}`.")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return 0
