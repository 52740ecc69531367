"""Which of this user's local jobs has its turn on this machine, and which one does a job wait for?

Jobs that run one at a time take a lock, in turn. Whoever gets the lock writes into its file, three
lines: the job's token, RELION's name of the job, and the project's folder (library/begin.sh). The
lines of a job that has ended stay there, so the queue is asked whether the job lives.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..host.runtime_folder import local_lock
from ..host.shared_files import read_file
from .job import Job

__all__ = ["waits_for"]

_LONGEST = 8192  # bytes of the lock's file


class _Turn(NamedTuple):
    token: str
    job: str
    project: str


def waits_for(job: Job) -> str | None:
    """A clause that names the job for whose end this job waits; None if it waits for none."""
    if not (job.scheduler and job.scheduler.one_at_a_time and job.queue and job.living):
        return None
    if job.other_host or not job.is_this_users:
        return None
    turn = _whose_turn(local_lock())
    if turn is None or turn.token in ("", job.token) or not job.queue.living(turn.token):
        return None
    where = "" if _is_same(turn.project, job) else f" of {turn.project}"
    return f"waits for {turn.job}{where}: this machine runs one job of yours at a time"


def _whose_turn(lock: Path) -> _Turn | None:
    try:
        lines = os.fsdecode(read_file(lock, _LONGEST)).split("\n", 2)
    except OSError:
        return None
    return _Turn(lines[0], lines[1], lines[2].removesuffix("\n")) if len(lines) == 3 else None


def _is_same(project: str, job: Job) -> bool:
    with suppress(OSError, ValueError):
        return Path(project).samefile(job.folder.parents[len(Path(job.name).parts) - 1])
    return False
