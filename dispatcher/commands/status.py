"""The command ``relion-dispatch status``: a project's jobs, or one of them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..printable import printable

if TYPE_CHECKING:
    from ..config.site import Site
    from ..jobs.status import JobStatus

__all__ = ["status"]

_PRINTED = ("run.out", "run.err")
_MOST_LINES = 1000
Seconds = Annotated[float, typer.Option(min=1, max=86_400, help="Seconds between two checks.")]


class _Look(NamedTuple):
    """The jobs to be shown as they stand, how many others there are in each of RELION's states, and
    sentences: on schedulers and machines, and on what RELION was told just now."""

    jobs: list[JobStatus]
    others: Counter[str]
    notes: list[str]
    told: list[str]


def status(
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="One job: Refine3D/job019, or its folder.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Show all jobs that have ended, too.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the jobs again and again, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int,
        typer.Option(min=0, max=_MOST_LINES, help="Lines of JOB's run.out and run.err."),
    ] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, of all jobs.")] = False,
    interval: Seconds = 10,
) -> int:
    """Show this project's jobs, and their progress.

    Jobs that run come first, then those that wait, then the last that ended. With JOB, show that
    job alone, with the last lines of its run.out and run.err.

    Run it in the project's folder. If the queue no longer knows a job that runs for RELION, the
    command tells RELION that the job failed, and writes the reason to the job's run.err.
    """
    from ..config.site import load_site
    from ..jobs.project_jobs import find_job
    from ..relion.pipeline import project_folder

    project, site = project_folder(), load_site()
    name = None if job is None else find_job(project, job)
    while True:
        look = _look_at_one(project, site, name) if name else _look(project, site, every, as_json)
        on_screen = watch and not as_json and sys.stdout.isatty()
        if on_screen:
            look.notes.extend(look.told)
        if as_json:
            _print_json(project, look.jobs, lines if name else None, one_line=watch)
        elif name:
            _print_card(project, look, lines, cleared=watch)
        elif watch or sys.stdout.isatty():
            _print_screen(look, interval if watch else None)
        else:
            print(_as_table(look))
        sys.stdout.flush()
        if not on_screen:
            for sentence in look.told:
                print(sentence, file=sys.stderr)
        if not watch:
            return 0
        time.sleep(interval)


def _look(project: Path, site: Site, every: bool, as_json: bool) -> _Look:
    from ..jobs.listed_jobs import listed_jobs
    from ..jobs.repair import refresh_and_report_lost
    from ..jobs.shown_jobs import MOST_ENDED, arranged, choice_of, left_out
    from ..jobs.status import job_status
    from .job_notes import notes_on

    listed = listed_jobs(project)
    choice = choice_of(project, listed.jobs)
    names = None if every or as_json else choice.names
    found, told = refresh_and_report_lost(project, site, names)
    jobs = found.jobs
    if not as_json:  # which has them in RELION's order
        jobs = arranged(jobs, choice.ended, None if every else MOST_ENDED)
    others = left_out(listed.jobs, jobs)
    told += [f"warning: {found.problem}"] if found.problem else []
    return _Look([job_status(job) for job in jobs], others, notes_on(jobs), told)


def _look_at_one(project: Path, site: Site, name: str) -> _Look:
    from ..jobs.repair import refresh_and_report_lost
    from ..jobs.status import job_status
    from ..jobs.waiting import with_reason_asked
    from .job_notes import notes_on

    found, told = refresh_and_report_lost(project, site, [name])
    jobs = [with_reason_asked(job, project) for job in found.jobs]
    return _Look([job_status(job) for job in jobs], Counter(), notes_on(jobs), told)


def _print_json(project: Path, jobs: list[JobStatus], lines: int | None, *, one_line: bool) -> None:
    """The jobs as a list; with the last lines of what they printed if `lines` is a number."""
    from ..host.json_text import json_text

    rows: list[Mapping[str, object]] = list(jobs)
    if lines is not None:
        rows = [
            {**job, **{name.replace(".", "_"): text for name, text in printed.items()}}
            for job in jobs
            for printed in [_printed(project, job, lines)]
        ]
    print(json_text(rows, None if one_line else 2))


def _printed(project: Path, job: JobStatus, lines: int) -> dict[str, list[str] | None]:
    from ..jobs.last_lines import last_lines

    return {name: last_lines(project / job["job"] / name, lines) for name in _PRINTED}


def _print_card(project: Path, look: _Look, lines: int, *, cleared: bool) -> None:
    from rich.text import Text

    from .coloured import print_lines
    from .job_card import job_card

    shown = [line for job in look.jobs for line in job_card(job, _printed(project, job, lines))]
    notes = [text for note in look.notes for text in (Text(), Text(printable(note)))]
    print_lines([*shown, *notes], cleared=cleared)


def _print_screen(look: _Look, interval: float | None) -> None:
    import shutil

    from .coloured import print_lines
    from .job_screen import Screen, job_screen

    room = shutil.get_terminal_size((80, 24))
    heading, rows = "", None
    if interval is not None:
        heading = f"{time.strftime('%Y-%m-%d %H:%M:%S')}, every {interval:g} s (Ctrl-C ends)"
        rows = room.lines if sys.stdout.isatty() else None
    screen = Screen(room.columns, rows)
    lines = job_screen(look.jobs, heading, look.notes, screen, look.others)
    print_lines(lines, cleared=interval is not None)


def _as_table(look: _Look) -> str:
    from .job_rows import as_table
    from .job_screen import on_others

    if not look.jobs and not look.others:
        return "The project has no jobs yet."
    return "\n\n".join([as_table(look.jobs), *on_others(look.others), *look.notes])
