"""The report as one HTML page, which needs nothing else: pictures are in it, and no script is."""

from __future__ import annotations

from pathlib import Path

from ..jobs.run_words import MOST
from ..jobs.runs import moment_of
from ..printable import printable
from ..units import count
from .causes import OTHER
from .figures import Group, by_hours
from .job_row import IDLE, LITTLE, USES, Outcome
from .most_runs import why_ended
from .pictures import NAMES, pictures
from .report import Report
from .words import bytes_in_words, hours, moment, percent, span, went_on

__all__ = ["MARK", "page"]

MARK = '<meta name="generator" content="relion-dispatch report">'
_MOST = 100  # rows of a table
_OUTCOMES: dict[Outcome, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "aborted": "aborted",
    "running": "running",
    "waiting": "waiting to go on",
    "refused": "refused",
    "unknown": "its end is not known",
}


def page(report: Report) -> str:
    """The page's text.

    Raises:
        ConfigError: matplotlib, which draws the pictures, is not installed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        hours=hours, span=span, moment=moment, bytes=bytes_in_words, count=count, noted=_when,
        number=_number,
    )  # fmt: skip
    environment.globals.update(percent=percent, span=span, as_percent=_as_percent, went_on=went_on)
    drawn = {name: Markup(svg) for name, svg in pictures(report.figures).items()}
    return environment.get_template("page.html.j2").render(
        mark=Markup(MARK), report=report, figures=report.figures, pictures=drawn,
        tables=_tables(report), uses=[(use, NAMES[use]) for use in USES], most=_MOST,
        idle=IDLE, little=LITTLE, other=OTHER, last_runs=MOST, outcomes=_OUTCOMES,
        why_ended=why_ended,
    )  # fmt: skip


def _tables(report: Report) -> list[tuple[str, str, list[tuple[str, Group]]]]:
    """Title, head of the first column, and the groups of each table of GPU-hours."""
    figures = report.figures
    return [
        ("By user", "user", by_hours(figures.users)),
        ("By project", "project", by_hours(figures.projects)),
        ("By job type", "type", by_hours(figures.types)),
        ("By version of RELION", "image and version", by_hours(figures.versions)),
    ]


def _when(time: str | None) -> str:
    """A time of a record in this machine's time."""
    known = moment_of(time)
    return "-" if known is None else moment(known)


def _number(known: int | None) -> str:
    return "-" if known is None else str(known)


def _as_percent(part: float) -> str:
    return f"{100 * part:.0f} %"
