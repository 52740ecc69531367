"""A project's jobs on one screen: no line is wider than the terminal, and colours tell the states.

Columns that say nothing, and those that can be spared, are left out; a job's reason stands on lines
of its own below the job. If there is no room for all jobs, the last ones are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..jobs.status import JobStatus
from .job_rows import HEADS, as_row, colour_of, reason_of
from .text_table import cut, padded, wrapped

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["Screen", "job_screen", "on_others"]

_SPARED = (
    "image",
    "ranks x GPUs",
    "id",
    "node",
    "min each",
    "iteration",
    "state",
    "ends about",
    "run",
    "time",
)  # the first is first
_MARGIN = "    "  # before a reason
_NONE = "-"


class Screen(NamedTuple):
    """The room that there is; `lines` is None for any number."""

    columns: int
    lines: int | None = None


def job_screen(
    jobs: Sequence[JobStatus],
    heading: str,
    notes: Iterable[str],
    screen: Screen,
    others: Counter[str] | None = None,
    now: datetime | None = None,
) -> list[Text]:
    """The heading if there is one, the jobs and the notes; what matters most is the first job.

    `others` counts the jobs that are not among these, by RELION's states. `now` is this machine's
    time.
    """
    from rich.text import Text

    now = now or datetime.now()
    head = [Text(cut(heading, screen.columns), "dim"), Text()] if heading else []
    below = [Text(line) for note in notes for line in ("", *wrapped(note, screen.columns))]
    if not jobs and not others:
        nothing = wrapped("The project has no jobs yet.", screen.columns)
        return [*head, *map(Text, nothing), *below]
    reasons = [wrapped(reason_of(job, now), screen.columns, _MARGIN) for job in jobs]
    # Heads take a line, and the lines on what is left out may take six.
    room = None if screen.lines is None else screen.lines - len(head) - len(below) - 7
    shown = jobs[: _fitting(reasons, room)]
    missing = Counter(job["relion"] for job in jobs[len(shown) :]) + (others or Counter())
    table, spared = _table(shown, screen.columns, now)
    rows = [
        line
        for row, reason in zip(table[1:], reasons, strict=False)
        for line in (row, *map(Text, reason))
    ]
    left_out = [*on_others(missing), *_on_columns(spared)]
    said = [Text(line) for note in left_out for line in wrapped(note, screen.columns)]
    return [*head, *table[:1], *rows, *([Text()] if said else []), *said, *below]


def _fitting(reasons: Sequence[Sequence[str]], room: int | None) -> int:
    """How many of the jobs have room in so many lines: one at least."""
    if room is None:
        return len(reasons)
    for at, reason in enumerate(reasons):
        room -= 1 + len(reason)
        if room < 0 and at:
            return at
    return len(reasons)


def _table(jobs: Sequence[JobStatus], columns: int, now: datetime) -> tuple[list[Text], list[str]]:
    """The lines of the table, heads first, and the columns that there was no room for."""
    from rich.text import Text

    rows = [dict(zip(HEADS, as_row(job, now), strict=True)) for job in jobs]
    heads = [
        head
        for head in HEADS[:-1]
        if head in ("job", "RELION") or any(row[head] != _NONE for row in rows)
    ]
    spared = []
    for next_one in (*_SPARED, None):
        lines = padded([heads, *([row[head] for head in heads] for row in rows)])
        whole = ["".join(line).rstrip() for line in lines]
        fitting = [cut(line, columns) for line in whole]
        if fitting == whole or next_one is None:
            break
        if next_one in heads:
            heads.remove(next_one)
            spared.append(next_one)
    texts = [Text(line) for line in fitting]
    texts[0].stylize("bold")
    for job, cells, text in zip(jobs, lines[1:], texts[1:], strict=True):
        text.stylize(colour_of(job), len(cells[0]), len(cells[0]) + len(cells[1].rstrip()))
    return texts, spared


def on_others(others: Counter[str]) -> Iterable[str]:
    """A sentence on the jobs that are not shown."""
    number = others.total()
    if number:
        more = "1 more job" if number == 1 else f"{number} more jobs"
        counted = ", ".join(f"{each} {state.lower()}" for state, each in others.most_common())
        yield f"{more}: {counted}. `relion-dispatch status --all` shows all of them."


def _on_columns(spared: Sequence[str]) -> Iterable[str]:
    if spared:
        yield f"A wider terminal shows more: {', '.join(spared)}."
