"""All that a report has: what it covers, the figures, what could not be read, and the findings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..units import count
from .accounting import Asked, completed
from .clocks import by_right_clocks, within
from .figures import Figures, Group, by_hours
from .findings import Finding, findings
from .job_folders import Passed
from .job_row import USES, JobRow
from .names import Known, Names
from .read_rows import read_rows
from .record_row import Source
from .still_queued import still_queued
from .words import day, moment

__all__ = ["Covered", "Report", "made"]

_FEW_DAYS = 3 * 24 * 3600  # seconds in which the hour matters


class Covered(NamedTuple):
    """What a report is asked to cover.

    Attributes:
        projects: their folders.
        since: jobs that ended earlier, and hours that were earlier, do not count (seconds since
            1970); 0 for all.
        now: when the report is made.
        anonymous: leave out the names of users, projects and nodes.
        accounting: ask the schedulers' accounting.
        metrics: make the figures for Prometheus as well.
    """

    projects: Sequence[Path]
    since: float
    now: float
    anonymous: bool
    accounting: bool
    metrics: bool = True

    @property
    def when(self) -> str:
        """The span in words, for the end of a clause; "" for all records."""
        if not self.since:
            return ""
        told = day if self.now - self.since > _FEW_DAYS else moment
        return f"since {told(self.since)}"


class Report(NamedTuple):
    """A report: what it covers, its figures, what was passed over, notes on that, and findings.

    `nameless` are the figures without what only records name; empty if nobody asks for metrics.
    """

    covered: Covered
    figures: Figures
    passed: Passed
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    nameless: Figures

    def as_json(self) -> dict[str, Any]:
        """The report as one JSON object; docs/report.md has its keys."""
        figures = self.figures
        return {
            "dispatcher_version": __version__,
            "made": _utc(self.covered.now),
            "since": _utc(self.covered.since) if self.covered.since else None,
            "projects": len(self.covered.projects),
            "total": _group(figures.total),
            **{
                f"by_{name}": [{name: each, **_group(group)} for each, group in by_hours(groups)]
                for name, groups in (
                    ("user", figures.users),
                    ("project", figures.projects),
                    ("type", figures.types),
                    ("version", figures.versions),
                    ("cause", figures.causes),
                )
            },
            "waiting_seconds": [
                {"partition": name or None, **waits.as_json()}
                for name, waits in sorted(figures.waits.items())
            ],
            "asked_and_used": list(_asked(figures)),
            "mps": [
                {
                    "type": name,
                    "mps": mps,
                    "seconds": ways.seconds.as_json(),
                    "mean_utilisation_percent": ways.means.as_json(),
                }
                for (name, mps), ways in sorted(figures.mps.items())
            ],
            "jobs_by_accounting": figures.accounted,
            "went_on_after": dict(sorted(figures.went_on.items())),
            "went_on": figures.most_runs.as_json(),
            "passed_over": dict(self.passed.numbers),
            "notes": list(self.notes),
            "findings": [each._asdict() for each in self.findings],
        }


def made(
    covered: Covered,
    source: Source,
    known: Known,
    see: Callable[[JobRow], object] = lambda row: None,
) -> Report:
    """Read, ask and count; `see` is called with each job as the report shows it."""
    passed, asked, names = Passed(), Asked(), Names(covered.anonymous, known)
    figures, nameless = Figures(), Figures()
    rows = read_rows(covered.projects, source, passed, covered.since)
    if covered.accounting:
        rows = completed(rows, source, asked)
    for row in still_queued(rows, source):
        counted = within(by_right_clocks(row, covered.now), covered.since)
        if counted is None:
            continue
        given = names.given(counted)
        figures.add(given)
        if covered.metrics:
            nameless.add(names.labelled(given))
        see(given)
    notes = tuple(_notes(figures, passed, asked, covered))
    found = tuple(findings(figures, source.known, covered.when))
    return Report(covered, figures, passed, notes, found, nameless)


def _notes(figures: Figures, passed: Passed, asked: Asked, covered: Covered) -> Iterator[str]:
    """A sentence on each thing that the figures lack."""
    for what, number in passed.numbers.items():
        first = "" if covered.anonymous else f", the first of them {passed.first[what]}"
        if what == "copies":
            yield (
                f"{count(number, 'copy')} of records passed over{first}: a submission counts once."
            )
        elif what == "broken records":
            yield f"{count(number, 'record')} cannot be read{first}: these jobs are not counted."
        else:
            is_project = what == "closed projects"
            more = "" if is_project else " (or whole folders of jobs)"
            shown = f"{count(number, 'project' if is_project else 'job')}{more}"
            yield (
                f"{shown} cannot be looked into{first}: what lies there is not counted; ask for "
                "permission to read, or let somebody make the report who has it."
            )
    for place, number in sorted(asked.silent.items()):
        yield (
            f"The accounting of {_shown(place, covered)} did not answer for "
            f"{count(number, 'job')}: their times are those that their own scripts noted."
        )
    for place, number in sorted(asked.unknown.items()):
        yield (
            f"The accounting of {_shown(place, covered)} does not know {count(number, 'job')}: "
            "their times are those that their own scripts noted."
        )
    if figures.total.unknown:
        yield (
            f"Of {count(figures.total.unknown, 'job')} with GPUs nobody tells how long they ran: "
            "their GPU-hours are not counted."
        )


def _shown(place: tuple[str, tuple[str, ...]], covered: Covered) -> str:
    """The scheduler, and which cluster, whose name may be a record's."""
    name, where = place
    return name if covered.anonymous else " ".join((name, *where))


def _asked(figures: Figures) -> Iterator[dict[str, Any]]:
    """By type: what successful jobs asked for, and which part of that they used."""
    types = {*figures.time_used, *figures.memory_used, *figures.gpus_asked}
    for name in sorted(types):
        known: dict[str, Any] = {"type": name}
        for what, asked, used in (
            ("time", figures.time_asked, figures.time_used),
            ("memory", figures.memory_asked, figures.memory_used),
        ):
            unit = "seconds" if what == "time" else "bytes"
            known[f"{what}_asked_{unit}"] = asked[name].as_json() if name in asked else None
            known[f"{what}_used_part"] = used[name].as_json() if name in used else None
        watched = name in figures.gpus_asked
        known["gpus_asked"] = figures.gpus_asked[name] if watched else None
        known["gpus_used"] = figures.gpus_used[name] if watched else None
        yield known


def _group(group: Group) -> dict[str, Any]:
    return {
        "jobs": group.jobs.total(),
        "outcomes": dict(sorted(group.jobs.items())),
        "gpu_hours": round(group.gpu_hours, 4),
        "wasted_gpu_hours": round(group.wasted, 4),
        "gpu_hours_by_use": {use: round(group.hours[use], 4) for use in USES},
        "jobs_of_unknown_time": group.unknown,
    }


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(moment))
