"""``relion-dispatch plan`` and ``submit``: what becomes of RELION's script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..planning.plan import Plan

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
    as_watcher: Annotated[
        bool, typer.Option("--watcher", help="Print the script of the job after the job.")
    ] = False,
) -> int:
    """Show what would be submitted, and why. Writes nothing and submits nothing.

    While the catalogue has no image at all, the plan is for one that is still to be added.
    """
    from ..host.json_text import json_text
    from ..host.shown_streams import write_exactly
    from ..job_script.launchers import settled
    from ..job_script.variables import NO_TOKEN

    # A template's mistake belongs to the answer, whatever is asked for.
    planned, text = settled(_planned(script), NO_TOKEN)
    if as_watcher:
        text = _watcher(planned)
    if as_script or as_watcher:
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


def _planned(script: Path) -> Plan:
    from ..config.configuration import load_configuration
    from ..jobs.learned import learned_in
    from ..planning.plan_now import plan_now
    from ..relion.submission import SUBMISSION

    if script.is_dir():  # a job's folder, as other commands take it
        script = script / SUBMISSION
    return plan_now(script, load_configuration(), learned_in)


def _watcher(planned: Plan) -> str:
    from ..errors import InputError
    from ..job_script.variables import NO_TOKEN
    from ..jobs.watcher import watcher_script

    scheduler = planned.site.schedulers[planned.scheduler]
    if scheduler.watcher is None:
        raise InputError(
            f'The scheduler "{planned.scheduler}" has no job after the job ("watcher" of the '
            "scheduler in site.json), so there is no script of it: leave --watcher out."
        )
    return watcher_script(planned, scheduler, NO_TOKEN)
