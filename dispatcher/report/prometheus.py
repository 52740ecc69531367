"""The figures for Prometheus, as its node exporter's textfile collector reads them.

The form is that of https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
All are gauges: a report covers a span of time, and its numbers fall as jobs leave that span. No
name of a person, a project or a node is in it, nor any that a record alone tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..printable import printable
from .figures import Figures
from .job_row import USES, WASTED
from .report import Report

__all__ = ["FIRST_LINE", "metrics"]

FIRST_LINE = "# Made by relion-dispatch report."
_Sample = tuple[dict[str, str], float]


def metrics(report: Report) -> str:
    """The whole file."""
    parts = [FIRST_LINE]
    for name, help_text, samples in _families(report):
        full = f"relion_dispatch_{name}"
        parts += [f"# HELP {full} {help_text}", f"# TYPE {full} gauge"]
        parts += [f"{full}{_labels(labels)} {value:.10g}" for labels, value in samples]
    return "\n".join(parts) + "\n"


def _families(report: Report) -> Iterator[tuple[str, str, Iterable[_Sample]]]:
    figures, covered = report.nameless, report.covered
    yield "report_time_seconds", "When the report was made.", [({}, covered.now)]
    yield (
        "report_since_seconds",
        "Jobs that ended since then, or have not, count; 0 for all.",
        [({}, covered.since)],
    )
    yield "projects", "Projects that the report covers.", [({}, len(covered.projects))]
    yield "jobs", "Jobs by how they ended.", list(_jobs(figures))
    yield (
        "gpu_hours", "GPUs times hours, by what became of them: the outcome of the job, or of a "
        "successful one used, little_used, idle or not_measured.", list(_hours(figures)),
    )  # fmt: skip
    yield (
        "gpu_hours_wasted", "GPU-hours of failed jobs, and of GPUs that were idle or little used.",
        list(_wasted(figures)),
    )  # fmt: skip
    yield (
        "failed_jobs",
        "Failed and refused jobs by their cause.",
        [({"cause": cause}, group.jobs.total()) for cause, group in sorted(figures.causes.items())],
    )
    yield (
        "wait_seconds", "From the submission to the start, that part of the jobs waited at most so "
        "long.", list(_waits(figures)),
    )  # fmt: skip
    yield (
        "waited_jobs",
        "Jobs whose waiting time is known.",
        [({"partition": name}, len(waits)) for name, waits in sorted(figures.waits.items())],
    )
    yield (
        "jobs_of_unknown_time",
        "Jobs with GPUs of which nobody tells how long they ran.",
        [({}, figures.total.unknown)],
    )
    yield (
        "passed_over",
        "What could not be read.",
        [({"what": what}, number) for what, number in sorted(report.passed.numbers.items())],
    )


def _cell_labels(cell: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("type", "version", "partition"), cell, strict=True))


def _jobs(figures: Figures) -> Iterator[_Sample]:
    for cell, group in sorted(figures.cells.items()):
        for outcome, number in sorted(group.jobs.items()):
            yield {**_cell_labels(cell), "outcome": outcome}, number


def _hours(figures: Figures) -> Iterator[_Sample]:
    for cell, group in sorted(figures.cells.items()):
        for use in USES:
            if group.hours[use]:
                yield {**_cell_labels(cell), "outcome": use}, group.hours[use]


def _wasted(figures: Figures) -> Iterator[_Sample]:
    for cell, group in sorted(figures.cells.items()):
        for use in WASTED:
            if group.hours[use]:
                yield {**_cell_labels(cell), "outcome": use}, group.hours[use]


def _waits(figures: Figures) -> Iterator[_Sample]:
    for name, waits in sorted(figures.waits.items()):
        for part in (0.5, 0.9, 1.0):
            yield {"partition": name, "part": f"{part:g}"}, waits.at(part)


def _labels(labels: dict[str, str]) -> str:
    r"""
    >>> _labels({"type": 'a"b\\c'})
    '{type="a\\"b\\\\c"}'
    """
    shown = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{','.join(shown)}}}" if labels else ""


def _escaped(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", printable(value))
