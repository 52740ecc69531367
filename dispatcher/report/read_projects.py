"""Read the submissions of many projects by several processes, as most of that is Python's work."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from .job_row import JobRow
from .read_rows import Passed, Source, read_rows

__all__ = ["read_projects"]

MOST = 4  # processes; a login node has others to serve
LEAST = 16  # projects, for which it is worth to start them
_AHEAD = 3  # projects for each process that may wait to be counted: what is read ahead takes memory

_Found = tuple[list[JobRow], Passed]


def read_projects(
    projects: Sequence[Path], source: Source, passed: Passed, since: float = 0
) -> Iterator[JobRow]:
    """The same as `read_rows`, project by project in their order."""
    workers = min(MOST, len(os.sched_getaffinity(0)))
    if workers < 2 or len(projects) < LEAST:
        yield from read_rows(projects, source, passed, since)
        return
    try:
        pool = ProcessPoolExecutor(workers, get_context("fork"), _ignore_interrupts)
    except (OSError, ImportError, NotImplementedError):  # no semaphores, or no more processes
        yield from read_rows(projects, source, passed, since)
        return
    sys.stdout.flush()  # a process would print what it finds there again
    waiting: deque[tuple[Path, Future[_Found] | None]] = deque()
    with pool:
        for project in projects:
            waiting.append((project, _submitted(pool, project, source, since)))
            if len(waiting) > _AHEAD * workers:
                yield from _taken(*waiting.popleft(), source, passed, since)
        while waiting:
            yield from _taken(*waiting.popleft(), source, passed, since)


def _submitted(
    pool: ProcessPoolExecutor, project: Path, source: Source, since: float
) -> Future[_Found] | None:
    try:
        return pool.submit(_read, project, source, since)
    except (BrokenExecutor, OSError):
        return None


def _taken(
    project: Path, future: Future[_Found] | None, source: Source, passed: Passed, since: float
) -> Iterator[JobRow]:
    """The rows of one project; if its process has ended, they are read here."""
    try:
        rows, missed = future.result() if future else _read(project, source, since)
    except (BrokenExecutor, OSError):
        rows, missed = _read(project, source, since)
    passed.add_all(missed)
    yield from rows


def _read(project: Path, source: Source, since: float) -> _Found:
    passed = Passed()
    return list(read_rows([project], source, passed, since)), passed


def _ignore_interrupts() -> None:
    """Ctrl-C is for the command; its processes end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
