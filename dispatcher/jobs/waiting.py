"""Why does a job wait, and since when?"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ..scheduler.calls import ask_wait
from ..scheduler.waiting import in_plain_words, shown_reasons
from .job import Job
from .local_turn import waits_for

__all__ = ["Wait", "wait_of", "with_reason_asked"]


class Wait(NamedTuple):
    """A job's wait; None for what is not known.

    Attributes:
        reason: in the scheduler's own words, on one line.
        says: what that means, and what helps.
        since: when the job was submitted (UTC), as in ``2026-11-29T03:45:41+00:00``; or when its
            last run ended.
    """

    reason: str | None
    says: str | None
    since: str | None


def wait_of(job: Job) -> Wait | None:
    """Why the job waits; None if it does not."""
    if job.status != "Running" or job.record is None or job.scheduler is None:
        return None
    queued = job.queued
    if queued and job.queue and job.queue.is_pending(queued):
        says = in_plain_words(job.scheduler, queued.reason, queued.job_id)
        since = _utc(queued.since) or job.record.dispatched
        if job.record.runs:
            since = job.record.runs[-1].ended or since
        return Wait(shown_reasons(queued.reason) or None, says, since)
    turn = waits_for(job)
    return Wait(turn, turn, job.record.dispatched) if turn else None


def with_reason_asked(job: Job, project: Path) -> Job:
    """The job with the reasons, a line for each, that its scheduler gives if it is asked about this
    job alone."""
    queued = job.queued
    if not (queued and job.queue and job.scheduler and job.queue.is_pending(queued)):
        return job
    said = ask_wait(job.scheduler, queued.job_id, project, job.queue.where_is(queued))
    if not said:
        return job
    reason = "\n".join(filter(None, [queued.reason, said]))
    jobs = (each._replace(reason=reason) if each == queued else each for each in job.queue.jobs)
    return job._replace(queue=job.queue._replace(jobs=tuple(jobs)))


def _utc(text: str) -> str | None:
    """A time of this machine's clock; None for any other text."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="seconds")
    return None
