"""Send the jobs to all places at once, meet each of them, and bring the facts home.

Nothing is left behind: jobs that wait or run at the end are cancelled, and the folder is removed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from itertools import count
from pathlib import Path

from ..errors import WriteError
from ..scheduler.answers import Queue
from ..scheduler.calls import ask_queue
from .asked import HERE
from .check_table import Task
from .facts import Facts
from .look import Look
from .meeting import PATIENCE, meetings_held
from .places import Place
from .probe_job import ProbeJob

__all__ = ["FOLDER", "examine"]

FOLDER = ".relion_dispatch.doctor"  # in the project; a token follows

_PAUSE = 0.1  # seconds between two looks
_ASK_EVERY = 3.0  # the queue


def examine(
    places: Sequence[Place], project: Path, tasks: Sequence[Task], seconds: int
) -> list[dict[Task, Facts]]:
    """The facts of each place, by the job that found them.

    A job that does not start within `seconds` is cancelled.

    Raises:
        WriteError: the project's folder cannot be written.
    """
    folder = project / f"{FOLDER}.{os.urandom(4).hex()}"
    jobs: list[list[ProbeJob]] = []
    try:
        folder.mkdir(mode=0o700)
        for number, place in enumerate(places):
            jobs.append([])
            for task in _tasks_of(place, tasks):
                nodes = place.asked.nodes if task == "nodes" else 1
                jobs[-1].append(ProbeJob(place, task, folder / f"{number}.{task}", min(nodes, 2)))
        every = [job for of_place in jobs for job in of_place]
        looks = [Look(job, seconds) for job in every]
        of_first = [each.meeting for each in looks if each.job.task == "everything"]
        with _locks_held(every), meetings_held(of_first):
            _submit_and_look(looks, project)
        for look in looks:
            look.job.seen.update(look.meeting.found)
        return [_facts_of(of_place) for of_place in jobs]
    except OSError as error:
        raise WriteError(
            f"{folder} cannot be written ({error.strerror}): run this in a folder of yours on the "
            "file system of your projects."
        ) from error
    finally:
        _leave_nothing([job for of_place in jobs for job in of_place], project, folder)


def _tasks_of(place: Place, tasks: Sequence[Task]) -> Iterator[Task]:
    for task in tasks:
        possible = task == "everything" or place.asked.place != HERE
        if possible and (task != "nodes" or (place.asked.nodes > 1 and place.image)):
            yield task


@contextmanager
def _locks_held(jobs: Sequence[ProbeJob]) -> Iterator[None]:
    """Make the jobs' folders, and hold the lock of each, by which the node tries whether locks hold
    between the two."""
    held = []
    try:
        for job in jobs:
            descriptor = os.open(job.make_folder(), os.O_RDWR | os.O_CLOEXEC)
            held.append(descriptor)
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
            except OSError:
                job.seen.add("locks_here", "no")
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _submit_and_look(looks: Sequence[Look], project: Path) -> None:
    """Submit one job after the other, and meanwhile look at those before: a submission may take as
    long as a job."""
    asked_last = time.monotonic()
    for number in count(1):
        if number <= len(looks):
            looks[number - 1].job.submit(PATIENCE)
        elif all(look.job.over for look in looks):
            return
        else:
            time.sleep(_PAUSE)
        queues = _Queues(project)
        if asks := time.monotonic() - asked_last >= _ASK_EVERY:
            asked_last = time.monotonic()
        for look in looks[:number]:
            if not look.job.over:
                look.look(queues.of(look.job) if asks else None)


class _Queues:
    """Answers of schedulers, each asked once for each cluster."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._asked: dict[tuple[int, tuple[str, ...]], Queue | None] = {}

    def of(self, job: ProbeJob) -> Queue | None:
        """The queue in which the job is; None if it does not answer."""
        one = (id(job.scheduler), job.where)
        if job.scheduler and one not in self._asked:
            self._asked[one] = ask_queue(job.scheduler, self._project, job.where)
        return self._asked.get(one)


def _facts_of(jobs: Sequence[ProbeJob]) -> dict[Task, Facts]:
    """What the jobs of a place found, and what this side saw of the first."""
    found: dict[Task, Facts] = {}
    for job in jobs:
        facts = job.facts()
        facts.update(job.seen)
        found[job.task] = facts
        if job.task == "everything":
            found["queue"] = facts
    return found


def _leave_nothing(jobs: Sequence[ProbeJob], project: Path, folder: Path) -> None:
    """Cancel what still waits or runs, and remove the folder when that is gone."""
    queues, cancelled = _Queues(project), False
    for job in jobs:
        for job_id in job.left(queues.of(job)) if job.tried else ():
            cancelled = True
            with suppress(OSError):
                job.cancel(job_id)
    for attempt in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() and (attempt or not cancelled):
            return
        time.sleep(0.5)
