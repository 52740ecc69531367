"""``relion-dispatch report``: what the site's jobs used, what was wasted, and what would help."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError

if TYPE_CHECKING:
    from ..config.site import Site
    from ..report.job_row import JobRow
    from ..report.report import Report

__all__ = ["report"]


def report(
    projects: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PROJECT",
            readable=False,  # one that is closed is counted
            help="Folders of RELION projects. Default: all projects that the site knows.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Count jobs that ended since then, or have not: 12h, 30d, 4w or 2026-01-31. "
            "Default: all.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with pictures.")
    ] = None,
    prometheus: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the figures, without names, for Prometheus's textfile collector.",
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line for each job.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Leave out the names of users, projects and nodes."),
    ] = False,
    accounting: Annotated[
        bool,
        typer.Option(
            "--accounting/--no-accounting", help="Ask the scheduler's accounting for the times."
        ),
    ] = True,
) -> int:
    """Report what jobs used, what was wasted, and what would help.

    The command reads the records of all jobs of the projects, and the scheduler's accounting where
    it answers. What you may not read is counted, and not guessed.
    """
    import time

    from ..config.configuration import load_configuration
    from ..config.endings import load_endings
    from ..report.causes import advice_of
    from ..report.files import refuse_other_file
    from ..report.names import Known
    from ..report.page import MARK
    from ..report.prometheus import FIRST_LINE
    from ..report.record_row import Source
    from ..report.report import Covered, made
    from ..report.since import read_since

    if as_csv and as_json:
        raise InputError("--csv and --json both print to the same place: give one of them.")
    now = time.time()
    begin = 0.0 if since is None else read_since(since, now)
    for path, mark in ((html, MARK), (prometheus, FIRST_LINE)):
        if path:
            refuse_other_file(path, mark)
    configuration = load_configuration()
    site = configuration.site
    chosen = _chosen(projects or [], site)
    covered = Covered(chosen, begin, now, anonymous, accounting, metrics=prometheus is not None)
    known = advice_of(load_endings().values(), site.schedulers.values())
    source = Source(site.schedulers, known)
    done = made(covered, source, Known.of(configuration), _seen(as_csv))
    _write(done, html, prometheus)
    if as_json:
        from ..host.json_text import json_text

        print(json_text(done.as_json()))
    elif as_csv:
        for note in done.notes:
            print(f"warning: {note}", file=sys.stderr)
    elif not html and not prometheus:
        _print(done)
    return 0


def _chosen(named: Sequence[Path], site: Site) -> list[Path]:
    """The projects named, or those that the site knows."""
    from ..images.known_projects import known_projects, projects_folder

    known = named or sorted(known_projects(site))
    chosen = list(dict.fromkeys(map(_project if named else _resolved, known)))
    if not chosen:
        raise InputError(
            f"The site knows of no project: name the projects' folders, or make the folder "
            f"{projects_folder(site)} with mode 1777, in which each project that uses the site is "
            "noted."
        )
    return chosen


def _resolved(folder: Path) -> Path:
    """Where the project lies: it may have been noted by several paths."""
    try:
        return folder.resolve()
    except (OSError, RuntimeError):
        return folder


def _project(folder: Path) -> Path:
    """The project's folder, absolute; one that is closed to this user is counted as such later.

    Raises:
        InputError: it is no RELION project.
    """
    from ..relion.pipeline import PIPELINE

    try:
        path = folder.resolve()
        found = path.is_dir()
        is_project = (path / PIPELINE).is_file()
    except PermissionError:
        return folder.absolute()
    except (OSError, ValueError, RuntimeError):
        found = is_project = False
    if not found:
        raise InputError(f"{folder} is not a folder: name the folder of a RELION project.")
    if not is_project:
        raise InputError(
            f"{folder} is not a RELION project (there is no {PIPELINE} in it): name the folder of "
            "a project."
        )
    return path


def _seen(as_csv: bool) -> Callable[[JobRow], object]:
    """What is done with each job as it is counted."""
    if not as_csv:
        return lambda row: None
    from ..report.spreadsheet import line

    print(line(None), end="")
    return lambda row: print(line(row), end="")


def _write(done: Report, html: Path | None, prometheus: Path | None) -> None:
    """Write the files that were asked for, and say so."""
    from ..report.files import write_report
    from ..report.page import MARK, page
    from ..report.prometheus import FIRST_LINE, metrics

    if html:
        write_report(html, page(done), MARK)
    if prometheus:
        write_report(prometheus, metrics(done), FIRST_LINE)
    for path in filter(None, (html, prometheus)):
        print(f"Written: {path}", file=sys.stderr)


def _print(done: Report) -> None:
    import shutil

    from .report_text import report_text

    columns = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else None
    print(report_text(done, columns))
