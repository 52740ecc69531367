"""The report for a terminal or a mail: sums, the longest rows of its tables, and the findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..report.figures import Figures, Group, by_hours
from ..report.job_row import Outcome, Use
from ..report.report import Report
from ..report.words import hours, percent, span, went_on
from ..units import count
from .text_table import cut, text_table, wrapped

__all__ = ["report_text"]

_MOST = 10  # rows of a table, and findings
_OUTCOMES: Mapping[Outcome, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "aborted": "aborted",
    "refused": "refused",
    "running": "running",
    "waiting": "waiting",
    "unknown": "of which nobody tells whether they wait, run, ended or were lost",
}
_WASTED: Mapping[Use, str] = {
    "failed": "in failed jobs",
    "idle": "idle",
    "little_used": "little used",
}


def report_text(report: Report, columns: int | None) -> str:
    """The text; no line is longer than so many columns (None: any length)."""
    width = columns or 100
    total = report.figures.total
    covered = report.covered
    what = f"RELION jobs {covered.when}".rstrip()
    jobs, projects = (
        count(total.jobs.total(), "submission"),
        count(len(covered.projects), "project"),
    )
    heading = f"{what}: {jobs}, {projects}"
    parts = [heading]
    if not total.jobs:
        parts.append("There is no job to tell of.")
    else:
        told = filter(None, (*_sums(total), went_on(report.figures.went_on)))
        parts += [line for sentence in told for line in wrapped(sentence, width)]
        for table in _tables(report.figures):
            lines = table.splitlines()
            parts += ["", *(lines if columns is None else [cut(line, columns) for line in lines])]
    found = [each.sentence for each in report.findings]
    if len(found) > _MOST:
        found[_MOST:] = [f"And {len(found) - _MOST} more, which --html and --json show."]
    for title, sentences in (
        ("What stands out, and what would help:", found),
        ("What the figures lack:", report.notes),
    ):
        if sentences:
            parts += ["", title]
        for sentence in sentences:
            first, *others = wrapped(sentence, width, "  ")
            parts += [f"- {first[2:]}", *others]
    return "\n".join(parts)


def _sums(total: Group) -> Iterator[str]:
    ended = (f"{total.jobs[each]} {word}" for each, word in _OUTCOMES.items() if total.jobs[each])
    yield f"{', '.join(ended)}."
    parts = (f"{hours(total.hours[use])} {word}" for use, word in _WASTED.items())
    yield (
        f"{hours(total.gpu_hours)} GPU-hours, of these {hours(total.wasted)} "
        f"({percent(total.wasted, total.gpu_hours)}) wasted: {', '.join(parts)}."
    )


def _tables(figures: Figures) -> Iterator[str]:
    for head, groups in (
        ("user", figures.users),
        ("project", figures.projects),
        ("type", figures.types),
        ("version", figures.versions),
    ):
        ordered = by_hours(groups)
        heads = (head, "jobs", "failed", "GPU-hours", "wasted", "not measured")
        yield _table(heads, [_row(name, group) for name, group in ordered])
    if figures.causes:
        rows = [
            (cause, str(group.jobs.total()), hours(group.gpu_hours))
            for cause, group in by_hours(figures.causes)
        ]
        yield _table(("failed because", "jobs", "GPU-hours"), rows)
    if figures.waits:
        waits = sorted(figures.waits.items())
        yield _table(
            ("partition", "jobs", "waited (middle)", "90 % below"),
            [
                (name or "not known", str(len(each)), span(each.at(0.5)), span(each.at(0.9)))
                for name, each in waits
            ],
        )


def _row(name: str, group: Group) -> tuple[str, ...]:
    return (
        name,
        str(group.jobs.total()),
        str(group.jobs["failed"]),
        hours(group.gpu_hours),
        f"{hours(group.wasted)} ({percent(group.wasted, group.gpu_hours)})",
        hours(group.hours["not_measured"]),
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = text_table([heads, *rows[:_MOST]])
    left = len(rows) - _MOST
    return f"{table}\nand {left} more" if left > 0 else table
