"""A run of a job in words: a line on each, and what ended one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..config.ends_from_outside import CAUSES
from ..units import count

__all__ = ["MOST", "how_ended", "lines_on"]

MOST = 10  # runs of a job that are shown: the last ones
_WORDS: dict[str, str] = {
    **{cause: words.ended for cause, words in CAUSES.items()},
    "SUCCESS": "it succeeded",
    "FAILURE": "it failed",
    "ABORTED": "it was aborted",
}


def lines_on(
    runs: Sequence[Mapping[str, Any]], when: Callable[[str | None], str | None], runs_now: bool
) -> Iterator[tuple[str, str]]:
    """For each run of `status --json` a title and what is known of it; the last ones of many.

    `when` shows a time of a record; `runs_now` says whether the last run goes on.
    """
    if len(runs) > MOST:
        yield f"runs 1 to {len(runs) - MOST}", "`relion-dispatch status --json` shows them"
    for run in runs[-MOST:]:
        now = runs_now and run is runs[-1] and run["ending"] is None
        yield f"run {run['run']}", _described(run, when, now)


def _described(
    run: Mapping[str, Any], when: Callable[[str | None], str | None], runs_now: bool
) -> str:
    began, ended = when(run["started"]), when(run["ended"])
    time = f"{began} to {ended}" if began and ended else f"from {began}" if began else ""
    if ended and not began:
        time = f"to {ended}"
    first, last = run["from_iteration"], run["to_iteration"]
    iterations = f"from iteration {first}" if first is not None else ""
    if last is not None:
        iterations = f"{iterations} to {last}" if iterations else f"to iteration {last}"
    words = [
        f"{time}{' ' if time else ''}on {run['host']}" if run["host"] else time,
        count(run["ranks"], "rank") if run["ranks"] is not None else "",
        iterations,
    ]
    why = how_ended(run["why"] or run["ending"], runs_now)
    return f"{', '.join(filter(None, words))}: {why}".removeprefix(": ")


def how_ended(known: str | None, runs_now: bool) -> str:
    """A clause on the end of a run, by what ended it, else by its ending. If neither is known, the
    run had no time to write how it ended.

    >>> how_ended("preemption", False), how_ended(None, True)
    ('it was preempted', 'it runs')
    """
    return "it runs" if runs_now else _WORDS.get(known, known) if known else _WORDS["lost_node"]
