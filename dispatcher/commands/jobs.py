"""The commands about running jobs: ``relion-dispatch status``, ``cancel`` and ``watch``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DispatchError

if TYPE_CHECKING:
    from ..jobs.job import Job

__all__ = ["cancel", "status", "watch"]
Seconds = Annotated[float, typer.Option(min=1, max=86_400, help="Seconds between two checks.")]


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the jobs again and again, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    interval: Seconds = 10,
) -> int:
    """Show this project's jobs, and their progress.

    Run it in the project's folder. If the queue no longer knows a job that runs for RELION, the
    command tells RELION that the job failed, and writes the reason to the job's run.err.
    """
    from ..config.site import load_site
    from ..host.shown_streams import to_terminal
    from ..jobs.repair import refresh_and_report_lost
    from ..relion.pipeline import project_folder

    project, site = project_folder(), load_site()
    while True:
        found, told = refresh_and_report_lost(project, site)
        if found.problem:
            told.append(f"warning: {found.problem}")
        on_terminal = watch and not as_json and sys.stdout.isatty()
        if as_json:
            shown = _as_json(found.jobs, watch)
        elif watch:
            notes = [*_notes(found.jobs), *(told if on_terminal else ())]
            shown = _as_screen(found.jobs, notes, interval, on_terminal)
        else:
            shown = _as_table(found.jobs)
        if on_terminal:
            to_terminal("\x1b[H\x1b[2J", sys.stdout)
        print(shown, flush=True)
        if not on_terminal:
            for sentence in told:
                print(sentence, file=sys.stderr)
        if not watch:
            return 0
        time.sleep(interval)


def _as_json(jobs: list[Job], one_line: bool) -> str:
    from ..host.json_text import json_text
    from ..jobs.status import job_status

    return json_text([job_status(job) for job in jobs], None if one_line else 2)


def _as_table(jobs: list[Job]) -> str:
    from ..jobs.status import HEADS, as_row, job_status
    from .text_table import text_table

    if not jobs:
        return "The project has no jobs yet."
    table = text_table([HEADS, *(as_row(job_status(job)) for job in jobs)])
    return "\n\n".join([table, *_notes(jobs)])


def _as_screen(jobs: list[Job], notes: list[str], interval: float, on_terminal: bool) -> str:
    import shutil

    from ..jobs.status import job_status
    from .job_screen import Screen, job_screen

    room = shutil.get_terminal_size((80, 24))
    heading = f"{time.strftime('%Y-%m-%d %H:%M:%S')}, every {interval:g} s (Ctrl-C ends)"
    screen = Screen(room.columns, room.lines if on_terminal else None)
    return job_screen([job_status(job) for job in jobs], heading, notes, screen)


def _notes(jobs: list[Job]) -> list[str]:
    """What is to be said of all the jobs of a scheduler or of a machine."""
    silent = {
        f"{job.record.scheduler}{f' (cluster {at})' if (at := job.record.cluster) else ''}"
        for job in jobs
        if job.status == "Running" and job.is_this_users and job.record and not job.queue
        if not job.other_host
    }
    elsewhere = {job.other_host for job in jobs if job.status == "Running" and job.other_host}
    return [
        f"The scheduler {name} does not answer now: the states of its jobs may be out of date."
        for name in sorted(silent)
    ] + [
        f"Jobs on {host} can only be seen there: run `relion-dispatch status` on {host}."
        for host in sorted(elsewhere)
    ]


def cancel(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Refine3D/job019, or its folder.")],
) -> int:
    """Cancel a job, and tell RELION that it was aborted.

    The job may wait in the queue, or run. Run this command in the project's folder.
    """
    from ..config.site import load_site
    from ..jobs.cancel import cancel as cancel_job
    from ..jobs.project_jobs import find_job
    from ..relion.pipeline import project_folder

    project, site = project_folder(), load_site()
    print(cancel_job(project, site, find_job(project, job)))
    return 0


def watch(
    once: Annotated[
        bool, typer.Option("--once", help="Check once and end, for use from cron.")
    ] = False,
    interval: Seconds = 30,
) -> int:
    """Cancel jobs aborted in RELION, and tell RELION of lost ones.

    The command cancels jobs that wait in the queue; running jobs see the abort themselves. Run it
    in the project's folder, and leave it running. It does no harm to run the command twice.
    """
    from ..config.site import load_site
    from ..jobs.cancel import cancel_aborted
    from ..jobs.repair import refresh_and_report_lost
    from ..relion.pipeline import project_folder

    project = project_folder()
    said: set[str] = set()
    while True:
        failed = False
        try:
            site = load_site()
            found, told = refresh_and_report_lost(project, site)
            for sentence in told:
                print(sentence, flush=True)
            for sentence in cancel_aborted(project, site, found.jobs):
                print(sentence, flush=True)
            problems = [f"{job.name}: {job.problem}" for job in found.jobs if job.problem]
            problems += filter(None, [found.problem])
            for sentence in problems:
                if sentence not in said:
                    print(f"warning: {sentence}", file=sys.stderr, flush=True)
            said.update(problems)
        except (DispatchError, OSError) as error:
            failed = True
            print(f"relion-dispatch: {error}", file=sys.stderr, flush=True)
        if once:
            return 1 if failed else 0
        time.sleep(interval)
