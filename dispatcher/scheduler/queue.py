"""The scheduler's queue: which of this user's jobs it knows, and in which state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..config.scheduler import Scheduler
from .calls import try_call

__all__ = ["Queue", "QueuedJob", "ask_queue", "read_queue"]


class QueuedJob(NamedTuple):
    """A job in the queue, in the scheduler's own words; "" for what it does not tell.

    `time` is what it has run so far. Jobs that were not dispatched have no token.
    """

    job_id: str
    state: str
    token: str
    node: str = ""
    reason: str = ""
    time: str = ""


class Queue(NamedTuple):
    """The jobs of this user that a scheduler knows, ended ones of late included."""

    scheduler: Scheduler
    jobs: tuple[QueuedJob, ...]

    def job(self, token: str, job_id: str | None = None) -> QueuedJob | None:
        """The job with this token; of several, one that has not ended, else the first.

        Where the token was taken from a job, as by an admin's change of its comment, its id tells.
        """
        found = self._found(token, job_id)
        return next(iter(self.living(token, job_id)), None) or next(iter(found), None)

    def living(self, token: str, job_id: str | None = None) -> list[QueuedJob]:
        """The jobs of `job` that have not ended: a scheduler may have taken it twice."""
        return [job for job in self._found(token, job_id) if not self.has_ended(job)]

    def _found(self, token: str, job_id: str | None) -> list[QueuedJob]:
        return [
            job for job in self.jobs if (job.token == token if job.token else job.job_id == job_id)
        ]

    def has_ended(self, job: QueuedJob) -> bool:
        """Whether it is over."""
        return job.state in self.scheduler.ended

    def is_pending(self, job: QueuedJob) -> bool:
        """Whether it has not started."""
        return job.state in self.scheduler.pending


def read_queue(scheduler: Scheduler, printed: str) -> Queue:
    """Read the queue command's output; lines that the pattern does not match are others' jobs."""
    return Queue(scheduler, tuple(_jobs(scheduler, printed)))


def _jobs(scheduler: Scheduler, printed: str) -> Iterator[QueuedJob]:
    pattern = re.compile(scheduler.queue_pattern or "(?!)", re.MULTILINE)
    for found in pattern.finditer(printed):
        groups = found.groupdict()
        yield QueuedJob(
            groups["id"],
            groups["state"],
            groups["token"] or "",
            *(groups.get(name) or "" for name in ("node", "reason", "time")),
        )


def ask_queue(scheduler: Scheduler, project: Path) -> Queue | None:
    """Ask the scheduler; None where it does not answer, or where there is nothing to ask it with.

    Commands can print an error and still end with status 0: an error is no answer either.
    """
    if not scheduler.queue_command:
        return None
    done = try_call(scheduler, scheduler.queue_command, project)
    if (
        done is None
        or done.status != 0
        or any(re.search(each, done.stderr) for each in scheduler.transient)
    ):
        return None
    return read_queue(scheduler, done.stdout)
