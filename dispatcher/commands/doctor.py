"""``relion-dispatch doctor``: has this machine, or a partition, what jobs need?"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

__all__ = ["doctor"]


def doctor(
    partition: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Send small jobs to this partition (may be repeated)."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Send small jobs to all partitions of the site.")
    ] = False,
    minutes: Annotated[
        float, typer.Option(min=0.2, max=60, help="Cancel jobs that have not started by then.")
    ] = 5,
    nodes: Annotated[
        int,
        typer.Option(
            min=0, max=2, help="2: start ranks on two nodes. 0: where job types have several nodes."
        ),
    ] = 0,
    long: Annotated[
        bool,
        typer.Option("--long", help="Also wait for the signal before a time limit of two minutes."),
    ] = False,
    scratch: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Look at this scratch folder.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, to be attached to an issue.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Add what was measured to site.json.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="With --write: also in place of what is there.")
    ] = False,
) -> int:
    """Look whether this machine, or a partition, has what jobs need.

    Run this in a project, or on its file system. Small jobs ask for two cores, one GPU where jobs
    use GPUs, 2 GB and five minutes; all partitions are looked at together. Nothing is left behind.
    The exit status is 1 if there is a failure.
    """
    from pathlib import Path

    from ..config.configuration import load_configuration
    from ..doctor.report import examined
    from ..interruption import raise_once

    raise_once()  # whatever ends this, no job is left behind
    configuration = load_configuration()
    if (every or partition) and sys.stderr.isatty():
        print(f"Small jobs have {minutes:g} minutes to start …", file=sys.stderr)
    report = examined(
        configuration,
        Path.cwd(),
        None if every else partition or [],
        seconds=round(minutes * 60),
        nodes=nodes,
        long=long,
        scratch=scratch,
    )
    if as_json:
        import json

        print(json.dumps(report.as_json(), indent=2))
    else:
        from .doctor_lines import print_report

        print_report(report)
    if write:
        from ..doctor.proposal import write_proposal

        for line in write_proposal(report.measured, force):
            print(line, file=sys.stderr if as_json else sys.stdout)
    return 1 if report.failed else 0
