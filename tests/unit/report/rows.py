"""A job of a report, for tests that change a few of its values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dispatcher.jobs.runs import Run
from dispatcher.report.job_row import JobRow

__all__ = ["HOUR", "MONDAY", "job_row", "noted_run"]

HOUR = 3600
MONDAY = 1_793_577_600.0  # 2026-11-02, 00:00 UTC


def job_row(**keys: Any) -> JobRow:
    """A successful refinement of two hours on two GPUs that were busy, after an hour's wait."""
    row = JobRow(
        project="/data/p1",
        job="Refine3D/job019",
        user="ada",
        type="refine",
        version="relion 5.0.1",
        partition="gpu",
        scheduler="slurm",
        job_id="17",
        submitted=MONDAY,
        started=MONDAY + HOUR,
        seconds=2 * HOUR,
        gpus=2,
        asked_gpus=2,
        asked_seconds=10 * HOUR,
        asked_bytes=64 << 30,
        outcome="succeeded",
        means=(80, 60),
    )
    return row._replace(**keys)


def noted_run(number: int, **keys: Any) -> Run:
    """A run of half an hour, that begins so many hours after Monday's first; the job went on after
    it if there is a `why`."""
    begins = MONDAY + number * HOUR
    times = (datetime.fromtimestamp(begins + after, UTC).isoformat() for after in (0, HOUR / 2))
    started, ended = times
    ending = "GOES_ON" if keys.get("why") else "SUCCESS"
    run = Run(number, started, ended, host="gpu1", job_id="17", ending=ending, ranks=9)
    return run._replace(**keys)
