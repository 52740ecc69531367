"""The scheduler's queue: which of this user's jobs it knows, and in which state."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .. import host
from ..scheduler import Scheduler

__all__ = ["Queue", "QueuedJob", "ask_queue", "read_queue"]


class QueuedJob(NamedTuple):
    """A job in the queue, in the scheduler's own words; "" for what it does not tell.

    `time` is what it has run so far.
    """

    job_id: str
    state: str
    token: str
    node: str = ""
    reason: str = ""
    time: str = ""


class Queue(NamedTuple):
    """The dispatched jobs of this user that a scheduler knows, ended ones of late included."""

    scheduler: Scheduler
    jobs: tuple[QueuedJob, ...]

    def job(self, token: str) -> QueuedJob | None:
        """The job with this token; of several, one that has not ended, else the first."""
        found = (job for job in self.jobs if job.token == token)
        return next(iter(self.living(token)), None) or next(found, None)

    def living(self, token: str) -> list[QueuedJob]:
        """The jobs with this token that have not ended: a scheduler may have taken it twice."""
        return [job for job in self.jobs if job.token == token and not self.has_ended(job)]

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
        if groups["token"]:
            yield QueuedJob(
                groups["id"],
                groups["state"],
                groups["token"],
                *(groups.get(name) or "" for name in ("node", "reason", "time")),
            )


def ask_queue(scheduler: Scheduler, project: Path) -> Queue | None:
    """Ask the scheduler; None where it does not answer, or where there is nothing to ask it with.

    Commands can print an error and still end with status 0: an error is no answer either.
    """
    if not scheduler.queue_command:
        return None
    try:
        done = host.run(scheduler.queue_command, cwd=project, timeout=scheduler.timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.status != 0 or any(re.search(each, done.stderr) for each in scheduler.transient):
        return None
    return read_queue(scheduler, done.stdout)
