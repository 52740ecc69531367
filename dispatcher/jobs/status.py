"""Describe a job as ``relion-dispatch status`` shows it."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

from ..relion.exit_files import end_of, exit_file
from ..scheduler.answers import QueuedJob
from .between_runs import next_run, waits_for_resume, what_was_cut
from .job import Job
from .last_lines import last_sentence
from .progress import Progress, iteration_of_run, iteration_reached, progress_of_run
from .record import Record
from .runs import moment_of, seconds_of, utc
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
    next_run: int | None
    runs: list[dict[str, Any]]


def job_status(job: Job) -> JobStatus:
    """Everything that is known of the job now. Reads its folder."""
    record = job.record
    image = record.image if record else None
    run = record.run if record else None
    queued = job.queued
    wait = wait_of(job)
    reason = wait.reason if wait else f"{what_was_cut(job)}." if waits_for_resume(job) else None
    if job.status in ("Failed", "Aborted"):
        reason = (run and run.reason) or last_sentence(job.errfile)
    following, runs = next_run(job), record.runs if record else ()
    progress = _progress(job, record) if record else Progress()
    if following:  # nobody knows when it goes on
        progress = progress._replace(end=None)
    return JobStatus(
        job=job.name,
        relion=job.status,
        scheduler=record.scheduler if record else None,
        state=queued.state if queued else None,
        job_id=_job_id(record, queued, waits=following is not None),
        cluster=(queued.cluster if queued else "") or (record.cluster if record else None),
        node=(queued.node if queued else "") or (run.host if run else None),
        nproc=record.nproc if record else None,
        ngpu=record.ngpu if record else None,
        image=f"{image.name} {image.version}" if image else None,
        iteration=progress.iteration,
        iterations=progress.iterations,
        minutes_per_iteration=progress.seconds and round(progress.seconds / 60, 2),
        expected_end=None if progress.end is None else utc(progress.end),
        dispatched=record.dispatched if record else None,
        run_time=(queued.time or None) if queued else None,
        seconds=_seconds(job.folder, record) if record else None,
        reason=reason or job.problem,
        waits_for=wait.says if wait else None,
        waiting_since=wait.since if wait else None,
        next_run=following,
        runs=[each.as_json() for each in runs],
    )


def _job_id(record: Record | None, queued: QueuedJob | None, waits: bool) -> str | None:
    """Of a job between two runs, that of the one that waits: it may be another one than before."""
    in_queue = queued.job_id if queued else None
    return (in_queue if waits else None) or (record and record.job_id) or in_queue


def _progress(job: Job, record: Record) -> Progress:
    """How far the job is: if it has ended, only which iteration it reached."""
    if job.status == "Running":
        starts = [moment_of(run.started) for run in record.runs]
        found = progress_of_run(job.folder, time.time(), list(filter(None, starts)))
        return found if found.iteration is not None else Progress(_continued_from(record))
    reached = iteration_of_run(job.folder)
    if reached is None:  # nothing was written, or the project was copied without its times
        reached = _continued_from(record)
    return Progress(iteration_reached(job.folder) if reached is None else reached)


def _continued_from(record: Record) -> int | None:
    """The iteration from which the job goes on, by RELION's own commands."""
    found = _CONTINUED.search(str(record.merged.get("original_commands")))
    return int(found[1]) if found else None


def _seconds(folder: Path, record: Record) -> int | None:
    """How long the job ran, in all its runs; if its script did not tell, from the submission to the
    exit file."""
    if len(record.runs) > 1:
        known = [each for each in map(seconds_of, record.runs) if each is not None]
        return _whole(sum(known)) if known and (record.run or end_of(folder)) else None
    run = record.run
    begin = moment_of((run and run.started) or record.dispatched)
    if run and run.ended:
        until = moment_of(run.ended)
    elif end := end_of(folder):
        until = _written(exit_file(folder, end))
    else:
        return None
    return None if begin is None or until is None else _whole(until - begin)


def _whole(seconds: float) -> int | None:
    return max(0, round(seconds)) if seconds < _LONGEST else None


def _written(file: Path) -> float | None:
    with suppress(OSError):
        return file.stat().st_mtime
    return None
