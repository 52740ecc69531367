"""Which of a project's jobs does ``status`` show, and in which order?

In a project of thousands of jobs nearly all have ended. Their records are not read: the jobs that
ended last are found by the times of their exit files.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..host.shared_files import shared_folder
from ..refusal.tell_end import exit_name
from ..relion.exit_files import STATES
from ..relion.pipeline import Process
from .job import Job
from .waiting import wait_of

__all__ = ["MOST_ENDED", "Choice", "arranged", "choice_of", "left_out"]

MOST_ENDED = 10  # jobs that have ended, of which status shows no more unless it is asked to
_ENDS = {state: end for end, state in STATES.items()}
_RECENT = 7 * 24 * 3600  # seconds in which a queue may still have a job that the hook gave up


class Choice(NamedTuple):
    """The jobs to look at, by their names, and when those that are over ended (seconds since 1970;
    0 if that is not known)."""

    names: frozenset[str]
    ended: Mapping[str, float]


def choice_of(project: Path, processes: Iterable[Process], most: int = MOST_ENDED) -> Choice:
    """The jobs to look at: those that are not over, those that ended last, and those that failed
    lately, which the scheduler may have although the hook was not told so."""
    now = time.time()
    names: list[str] = []
    ended: dict[str, float] = {}
    with shared_folder(project) as opened:
        for process in processes:
            end = _ENDS.get(process.status)
            if end is None:
                names.append(process.name)
                continue
            ended[process.name] = when = _ended_at(opened.descriptor, process.name, end)
            if end != "SUCCESS" and now - when < _RECENT:
                names.append(process.name)
    return Choice(frozenset([*names, *_newest(ended)[:most]]), ended)


def _ended_at(project: int, job: str, end: str) -> float:
    """When the job's exit file was written; 0 if there is none. `project` is the folder, opened."""
    for waiting in ("RELION", "PIPELINER"):
        with suppress(OSError):
            return os.stat(f"{job}/{exit_name(waiting, end)}", dir_fd=project).st_mtime
    return 0


def _newest(ended: Mapping[str, float]) -> list[str]:
    """The newest first; of jobs whose times are the same, the one that RELION lists last."""
    numbered = enumerate(ended.items())
    return [name for _, (name, _) in sorted(numbered, key=lambda each: (-each[1][1], -each[0]))]


def arranged(
    jobs: Sequence[Job], ended: Mapping[str, float], most: int | None = MOST_ENDED
) -> list[Job]:
    """The jobs that run, those that wait, those that are scheduled, and then, the newest first, at
    most so many (None: all) of those that are over."""
    now = time.time()
    over = {job.name: job for job in jobs if job.status in _ENDS}
    # What has ended since RELION looked is the newest.
    newest = _newest({name: ended.get(name, now) for name in over})
    others = sorted((job for job in jobs if job.name not in over), key=_rank)
    return [*others, *(over[name] for name in newest[:most])]


def _rank(job: Job) -> int:
    if job.status == "Running":
        return 0 if wait_of(job) is None else 1
    return 2


def left_out(processes: Iterable[Process], shown: Iterable[Job]) -> Counter[str]:
    """How many jobs of each of RELION's states are not shown."""
    names = {job.name for job in shown}
    return Counter(process.status for process in processes if process.name not in names)
