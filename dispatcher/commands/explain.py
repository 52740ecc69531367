"""``relion-dispatch explain``: why a job is as it is, and what became of it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

__all__ = ["explain"]


def explain(
    job: Annotated[
        str,
        typer.Argument(
            metavar="JOB", help="Refine3D/job019, its folder, or its submission script."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Say on one screen why a job is as it is.

    Its type, ranks, memory, image and partition, and what speaks against others; where it is, and
    how it ended; what RELION's window says, and what the site says; the command, with what was
    taken out and put in. Of a job that was submitted the record tells what was decided then; else
    the job is planned now. The command changes nothing.
    """
    import shutil

    from ..explanation.as_json import as_json as in_json
    from ..explanation.explain import explanation
    from ..host.json_text import json_text
    from ..host.shown_streams import to_terminal
    from .explain_screen import IN_A_PIPE, screen

    found = explanation(job)
    if as_json:
        print(json_text(in_json(found)))
    elif sys.stdout.isatty():
        columns = shutil.get_terminal_size((IN_A_PIPE, 24)).columns
        to_terminal(f"{screen(found, columns, colours=True)}\n", sys.stdout)
    else:
        print(screen(found, IN_A_PIPE, colours=False))
    return 0
