"""Of jobs whose end nobody knows: does the queue have them?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError
from ..host.users import user_name
from ..scheduler.answers import Queue
from ..scheduler.calls import ask_queue
from .job_row import JobRow
from .record_row import Source

__all__ = ["still_queued"]


def still_queued(rows: Iterable[JobRow], source: Source) -> Iterator[JobRow]:
    """The rows; of those without a known end, the ones that the queue has run or wait.

    Each queue is asked once. Most show this user's own jobs alone; so a job that is not there may
    be there all the same, and stays unknown.
    """
    me = user_name(os.getuid())
    queues: dict[tuple[str, tuple[str, ...]], Queue | None] = {}
    for row in rows:
        if row.outcome != "unknown" or row.accounted or _runs_elsewhere(row, source):
            yield row
            continue
        place = (row.scheduler, row.where)
        if place not in queues:
            queues[place] = _queue(row, source)
        # An id without a token tells this user's own jobs alone: ids come again.
        yield _seen_in(queues[place], row, row.job_id if row.user == me else None)


def _queue(row: JobRow, source: Source) -> Queue | None:
    scheduler = source.schedulers.get(row.scheduler)
    with suppress(ConfigError):
        return ask_queue(scheduler, Path("/"), row.where) if scheduler else None
    return None


def _runs_elsewhere(row: JobRow, source: Source) -> bool:
    """Whether it is a mere process, if it runs, of another machine."""
    scheduler = source.schedulers.get(row.scheduler)
    return scheduler is not None and scheduler.detached and row.host != os.uname().nodename


def _seen_in(queue: Queue | None, row: JobRow, job_id: str | None) -> JobRow:
    job = queue.job(row.token, job_id) if queue and row.token else None
    if queue is None or job is None or queue.has_ended(job):
        return row
    return row._replace(outcome="waiting" if queue.is_pending(job) else "running")
