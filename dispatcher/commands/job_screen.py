"""The jobs of a project on one screen, for ``status --watch``: no line is wider than the terminal.

Columns that say nothing, and those that can be spared, are left out; a job's reason stands on lines
of its own below the job. If the terminal has fewer lines than there are jobs, those that have ended
long ago are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..jobs.status import HEADS, JobStatus, as_row
from .text_table import cut, text_table, wrapped

__all__ = ["Screen", "job_screen"]

_SPARED = (
    "image",
    "ranks x GPUs",
    "id",
    "node",
    "iteration",
    "state",
    "time",
)  # the first is first
_MARGIN = "    "  # before a reason
_NONE = "-"


class Screen(NamedTuple):
    """The room that there is; `lines` is None for any number."""

    columns: int
    lines: int | None = None


def job_screen(
    jobs: Sequence[JobStatus], heading: str, notes: Iterable[str], screen: Screen
) -> str:
    """The heading, the jobs and the notes; RELION's order of the jobs is kept."""
    heading = cut(heading, screen.columns)
    below = [line for note in notes for line in ("", *wrapped(note, screen.columns))]
    if not jobs:
        nothing = wrapped("The project has no jobs yet.", screen.columns)
        return "\n".join([heading, "", *nothing, *below])
    reasons = [_reason(job, screen.columns) for job in jobs]
    # Heading and heads take three lines, and the lines on what is left out may take six.
    room = None if screen.lines is None else screen.lines - len(below) - 9
    shown = _chosen(jobs, reasons, room)
    table, spared = _table([jobs[at] for at in shown], screen.columns)
    rows = [line for at, row in zip(shown, table[1:], strict=True) for line in (row, *reasons[at])]
    left_out = [*_left_out(jobs, shown), *_on_columns(spared)]
    said = [line for note in left_out for line in wrapped(note, screen.columns)]
    return "\n".join([heading, "", table[0], *rows, *([""] if said else []), *said, *below])


def _reason(job: JobStatus, columns: int) -> list[str]:
    return wrapped(job["reason"] or "", columns, _MARGIN)


def _chosen(
    jobs: Sequence[JobStatus], reasons: Sequence[Sequence[str]], room: int | None
) -> list[int]:
    """Which jobs have room in so many lines: those that run, and then those that ended last."""
    everything = range(len(jobs))
    if room is None:
        return list(everything)
    chosen: list[int] = []
    for at in sorted(everything, key=lambda at: (jobs[at]["relion"] != "Running", -at)):
        room -= 1 + len(reasons[at])
        if room < 0 and chosen:
            break
        chosen.append(at)
    return sorted(chosen)


def _table(jobs: Sequence[JobStatus], columns: int) -> tuple[list[str], list[str]]:
    """The lines of the table, heads first, and the columns that there was no room for."""
    rows = [dict(zip(HEADS, as_row(job), strict=True)) for job in jobs]
    heads = [
        head
        for head in HEADS[:-1]
        if head in ("job", "RELION") or any(row[head] != _NONE for row in rows)
    ]
    spared = []
    for next_one in (*_SPARED, None):
        lines = text_table([heads, *([row[head] for head in heads] for row in rows)]).splitlines()
        fitting = [cut(line, columns) for line in lines]
        if fitting == lines or next_one is None:
            break
        if next_one in heads:
            heads.remove(next_one)
            spared.append(next_one)
    return fitting, spared


def _left_out(jobs: Sequence[JobStatus], shown: Sequence[int]) -> Iterable[str]:
    states = [job["relion"] or "unknown" for at, job in enumerate(jobs) if at not in set(shown)]
    if states:
        more = "1 more job" if len(states) == 1 else f"{len(states)} more jobs"
        counted = Counter(states).most_common()
        yield f"{more}: {', '.join(f'{number} {state.lower()}' for state, number in counted)}."


def _on_columns(spared: Sequence[str]) -> Iterable[str]:
    if spared:
        yield f"A wider terminal shows more: {', '.join(spared)}."
