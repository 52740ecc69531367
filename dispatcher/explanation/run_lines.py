"""The runs of a job that goes on, a line for each."""

from __future__ import annotations

from collections.abc import Iterator

from ..jobs.run_words import lines_on
from .explain import Explanation
from .lines import Line, line

__all__ = ["run_lines"]


def run_lines(found: Explanation) -> Iterator[Line]:
    """A line for each run; none for a job that has had one run, of which "State" tells all."""
    status = found.state.status
    runs = found.record.runs if found.record else ()
    following = status["next_run"] if status else None
    if len(runs) < 2 and not following:
        return
    runs_now = found.state.word == "Runs"
    for title, text in lines_on([run.as_json() for run in runs], _moment, runs_now):
        yield line(f"{title.capitalize()}: {text}.")


def _moment(time: str | None) -> str | None:
    return f"{time[:16].replace('T', ' ')} UTC" if time else None
