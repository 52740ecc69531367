"""The jobs that went on: how many there are, and the runs of those that had most."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappush, heappushpop
from typing import Any

from ..jobs.run_words import how_ended
from ..jobs.runs import Run
from .job_row import JobRow, Outcome

__all__ = ["MOST_JOBS", "MostRuns", "why_ended"]

MOST_JOBS = 50  # whose runs are kept
_ENDING: dict[Outcome, str] = {"succeeded": "SUCCESS", "failed": "FAILURE", "aborted": "ABORTED"}


class MostRuns:
    """Jobs are added one by one; those with most runs are kept.

    Attributes:
        jobs: how many went on.
    """

    def __init__(self) -> None:
        self.jobs = 0
        self._kept: list[tuple[int, float, int, JobRow]] = []

    def add(self, row: JobRow) -> None:
        """Add a job; one that did not go on does not count."""
        if not row.noted_runs:
            return
        self.jobs += 1
        each = (len(row.noted_runs), row.gpu_hours or 0, -self.jobs, row)
        (heappush if len(self._kept) < MOST_JOBS else heappushpop)(self._kept, each)

    def __iter__(self) -> Iterator[JobRow]:
        """The job with most runs first; of those with as many, the one with most GPU-hours."""
        return (row for *_, row in sorted(self._kept, reverse=True))

    def as_json(self) -> list[dict[str, Any]]:
        """The jobs, with their runs as ``status --json`` has them, but for the sentences."""
        return [
            {
                "user": row.user,
                "project": row.project,
                "job": row.job,
                "outcome": row.outcome,
                "runs": [
                    {key: value for key, value in run.as_json().items() if key != "reason"}
                    for run in row.noted_runs
                ],
            }
            for row in self
        ]


def why_ended(run: Run, row: JobRow) -> str:
    """A clause on why a run of the job ended, as ``status`` has it; "" if nobody tells."""
    known = run.why or run.ending
    if known is None and run is row.noted_runs[-1]:
        if row.outcome == "unknown":
            return ""
        known = _ENDING.get(row.outcome)
    return how_ended(known, runs_now=known is None and row.outcome == "running")
