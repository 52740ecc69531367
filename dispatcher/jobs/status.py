"""Describe a job as ``relion-dispatch status`` shows it."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypedDict

from ..host.shared_files import opened_input
from ..relion.exit_files import end_of, exit_file
from .job import Job
from .local_turn import waits_for
from .record import Record

__all__ = ["HEADS", "JobStatus", "as_row", "iteration_reached", "job_status", "last_sentence"]

HEADS = (
    "job", "RELION", "state", "id", "node", "ranks x GPUs", "image", "iteration", "time",
    "reason",
)  # fmt: skip
_ITERATION = re.compile(r"run(?:_ct[0-9]+)?_it([0-9]{3,9})_.*\.star")
_TAIL = 1 << 14  # bytes of run.err in which the last sentence is looked for
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
    dispatched: str | None
    run_time: str | None
    seconds: int | None
    reason: str | None


def job_status(job: Job) -> JobStatus:
    """Everything that is known of the job now. Reads its folder."""
    record = job.record
    image = record.image if record else None
    run = record.run if record else None
    queued = job.queued
    reason = None
    if job.status in ("Failed", "Aborted"):
        reason = (run and run.reason) or last_sentence(job.errfile)
    elif queued and job.queue and job.queue.is_pending(queued):
        reason = queued.reason or None
    elif job.status == "Running":
        reason = waits_for(job)
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
        iteration=iteration_reached(job.folder) if record else None,
        dispatched=record.dispatched if record else None,
        run_time=(queued.time or None) if queued else None,
        seconds=_seconds(job.folder, record) if record else None,
        reason=reason or job.problem,
    )


def _seconds(folder: Path, record: Record) -> int | None:
    """How long the job ran; if its script did not tell, from the submission to the exit file."""
    run = record.run
    try:
        begin = _time((run and run.started) or record.dispatched)
        end = end_of(folder)
        if run and run.ended:
            until = _time(run.ended)
        elif end:
            until = exit_file(folder, end).stat().st_mtime
        else:
            return None
    except (ValueError, OSError, OverflowError):
        return None
    return max(0, round(until - begin)) if until - begin < _LONGEST else None


def _time(text: str | None) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def iteration_reached(folder: Path) -> int | None:
    """The last iteration of which RELION's refinement has written a file."""
    try:
        found = (_ITERATION.fullmatch(path.name) for path in folder.iterdir())
        return max((int(each[1]) for each in found if each), default=None)
    except OSError:
        return None


def last_sentence(errfile: Path) -> str | None:
    """The last line that the dispatcher wrote to a job's error file."""
    try:
        with opened_input(errfile) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            lines = stream.read(_TAIL).decode(errors="surrogateescape").split("\n")
    except OSError:
        return None
    said = [line for line in lines if line.startswith("relion-dispatch: ")]
    return said[-1].removeprefix("relion-dispatch: ") if said else None


def as_row(status: JobStatus) -> tuple[str, ...]:
    """The job as a row of the table under HEADS."""
    ranks = None if status["nproc"] is None else f"{status['nproc']} x {status['ngpu']}"
    seconds = status["seconds"]
    took = None if seconds is None else str(timedelta(seconds=seconds))
    running = status["relion"] == "Running"
    cells = (
        status["job"],
        status["relion"],
        status["state"] if running else None,
        status["job_id"],
        status["node"],
        ranks,
        status["image"],
        status["iteration"],
        status["run_time"] if running else took,
        status["reason"],
    )
    return tuple("-" if cell is None else str(cell) for cell in cells)
