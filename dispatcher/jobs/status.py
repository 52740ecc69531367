"""Describe a job as ``relion-dispatch status`` shows it."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from ..relion.exit_files import end_of, exit_file
from .job import Job
from .last_lines import last_sentence
from .progress import Progress, iteration_reached, progress_of_run
from .record import Record
from .waiting import wait_of

__all__ = ["JobStatus", "job_status"]

_CONTINUED = re.compile(r"--continue \S*_it([0-9]{3,9})_optimiser\.star")
_LONGEST = 10**9  # seconds that a job may have run, by clocks that are right


class JobStatus(TypedDict):
    """One job; docs/jobs.md has the keys. None stands for what is not known."""

    job: str
    relion: str
    scheduler: str | None
    state: str | None
    job_id: str | None
    cluster: str | None
    node: str | None
    nproc: int | None
    ngpu: int | None
    image: str | None
    iteration: int | None
    iterations: int | None
    minutes_per_iteration: float | None
    expected_end: str | None
    dispatched: str | None
    run_time: str | None
    seconds: int | None
    reason: str | None
    waits_for: str | None
    waiting_since: str | None


def job_status(job: Job) -> JobStatus:
    """Everything that is known of the job now. Reads its folder."""
    record = job.record
    image = record.image if record else None
    run = record.run if record else None
    queued = job.queued
    wait = wait_of(job)
    reason = wait.reason if wait else None
    if job.status in ("Failed", "Aborted"):
        reason = (run and run.reason) or last_sentence(job.errfile)
    progress = _progress(job, record) if record else Progress()
    return JobStatus(
        job=job.name,
        relion=job.status,
        scheduler=record.scheduler if record else None,
        state=queued.state if queued else None,
        job_id=(record and record.job_id) or (queued.job_id if queued else None),
        cluster=(queued.cluster if queued else "") or (record.cluster if record else None),
        node=(queued.node if queued else "") or (run.host if run else None),
        nproc=record.nproc if record else None,
        ngpu=record.ngpu if record else None,
        image=f"{image.name} {image.version}" if image else None,
        iteration=progress.iteration,
        iterations=progress.iterations,
        minutes_per_iteration=progress.seconds and round(progress.seconds / 60, 2),
        expected_end=_utc(progress.end),
        dispatched=record.dispatched if record else None,
        run_time=(queued.time or None) if queued else None,
        seconds=_seconds(job.folder, record) if record else None,
        reason=reason or job.problem,
        waits_for=wait.says if wait else None,
        waiting_since=wait.since if wait else None,
    )


def _progress(job: Job, record: Record) -> Progress:
    """How far the job is: if it has ended, only which iteration it reached."""
    if job.status != "Running":
        return Progress(iteration_reached(job.folder))
    found = progress_of_run(job.folder, time.time())
    if found.iteration is None:
        return Progress(_continued_from(record))
    return found


def _continued_from(record: Record) -> int | None:
    """The iteration from which the job goes on, by RELION's own commands."""
    found = _CONTINUED.search(str(record.merged.get("original_commands")))
    return int(found[1]) if found else None


def _utc(seconds: float | None) -> str | None:
    """Seconds since 1970 as in a record; None for what no clock shows."""
    with suppress(ValueError, OverflowError, OSError):
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return None


def _seconds(folder: Path, record: Record) -> int | None:
    """How long the job ran; if its script did not tell, from the submission to the exit file."""
    run = record.run
    try:
        begin = _time((run and run.started) or record.dispatched)
        if run and run.ended:
            until = _time(run.ended)
        elif end := end_of(folder):
            until = exit_file(folder, end).stat().st_mtime
        else:
            return None
    except (ValueError, OSError, OverflowError):
        return None
    return max(0, round(until - begin)) if until - begin < _LONGEST else None


def _time(text: str | None) -> float:
    return datetime.fromisoformat(str(text)).timestamp()
