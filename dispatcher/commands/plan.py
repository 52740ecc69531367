"""``relion-dispatch plan`` and ``submit``: what becomes of RELION's script."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["plan", "submit"]


Script = Annotated[
    Path, typer.Argument(metavar="SCRIPT", help="RELION's script: JOB/run_submit.script.")
]


def submit(script: Script) -> int:
    """Plan and submit a job, as RELION's queue command does."""
    from ..hook import main as hook

    return hook([str(script)])


def plan(
    script: Script,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_script: Annotated[bool, typer.Option("--script", help="Print the job script.")] = False,
) -> int:
    """Show what would be submitted, and why. Writes nothing and submits nothing."""
    from ..config.configuration import load_configuration
    from ..host.json_text import json_text
    from ..host.shown_streams import write_exactly
    from ..job_script.launchers import settled
    from ..job_script.variables import NO_TOKEN
    from ..planning.make_plan import plan_script
    from ..relion.submission import SUBMISSION

    if script.is_dir():  # a job's folder, as other commands take it
        script = script / SUBMISSION
    # A template's mistake belongs to the answer, whatever is asked for.
    planned, text = settled(plan_script(script, load_configuration()), NO_TOKEN)
    if as_script:
        write_exactly(text)
    elif as_json:
        print(json_text(planned.as_json()))
    else:
        print("\n".join(planned.summary))
        print(f"scheduler {planned.scheduler}, template {planned.template}\n")
        print("\n".join(planned.reasons))
        for warning in planned.warnings:
            print(f"warning: {warning}")
    return 0
