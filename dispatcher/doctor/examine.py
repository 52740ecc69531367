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
from pathlib import Path

from ..errors import WriteError
from ..scheduler.answers import Queue
from ..scheduler.calls import ask_queue
from .asked import HERE
from .check_table import Task
from .facts import Facts
from .places import Place
from .probe_job import ProbeJob

__all__ = ["FOLDER", "examine"]

FOLDER = ".relion_dispatch.doctor"  # in the project; a token follows

_PAUSE = 0.1  # seconds between two looks
_ASK_EVERY = 3.0  # the queue
_LONGEST_RUN = 270.0  # the job's own limit is 300
_LOST_AFTER = 5  # answers of the queue without the job
_END_KNOWN_AFTER = 30.0  # accounting may be late
_WATCHER_AFTER = 120.0


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
        with _locks_held(every, seconds):
            _look_at_all(every, project, seconds)
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
def _locks_held(jobs: Sequence[ProbeJob], seconds: int) -> Iterator[None]:
    """Submit the jobs, and hold the lock of each one's folder, by which the node tries whether
    locks hold between the two."""
    held = []
    try:
        for job in jobs:
            job.submit(seconds)
            descriptor = os.open(job.folder / "lock", os.O_RDWR | os.O_CLOEXEC)
            held.append(descriptor)
            try:
                flock(descriptor, LOCK_EX | LOCK_NB)
            except OSError:
                job.seen.add("locks_here", "no")
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


def _look_at_all(jobs: Sequence[ProbeJob], project: Path, seconds: int) -> None:
    looks = [_Look(job, seconds) for job in jobs]
    asked_last = time.monotonic()
    while not all(look.job.over for look in looks):
        time.sleep(_PAUSE)
        queues: dict[int, Queue | None] = {}
        if asks := time.monotonic() - asked_last >= _ASK_EVERY:
            asked_last = time.monotonic()
        for look in looks:
            scheduler = look.job.scheduler
            if look.job.over:
                continue
            if asks and scheduler and id(scheduler) not in queues:
                queues[id(scheduler)] = ask_queue(scheduler, project)
            look.look(queues.get(id(scheduler)))


class _Look:
    """How this side follows one job."""

    def __init__(self, job: ProbeJob, seconds: int) -> None:
        self.job, self.seconds = job, seconds
        self.missing = 0
        self.listed: set[str | None] = set()
        self.reason = ""
        self.pinged = self.ponged = False
        self.ping_at = 0.0
        self.done_at: float | None = None
        self.cancelled_at: float | None = None

    def look(self, queue: Queue | None) -> None:
        """Look at the job's folder, and at the queue if it was asked just now."""
        job, now = self.job, time.monotonic()
        if queue is not None:
            self._look_at_queue(queue)
        facts = job.facts()
        if job.started is None and ("host" in facts or (job.folder / "here").exists()):
            job.started = now
            job.seen.add("waited", f"{now - job.submitted:.0f}")
            job.seen.add("host", facts["host"])
        if job.task == "cancelled":
            self._look_at_cancelled(facts, queue, now)
            return
        if job.started is not None and job.task == "everything":
            self._meet()
        if "done" in facts:
            self._after_done(now)
        elif job.started is None and now - job.submitted > self.seconds:
            job.seen.add("waited", f"{now - job.submitted:.0f}")
            job.seen.add("not_started", self.reason)
            job.over = True
        elif job.started is not None and now - job.started > _LONGEST_RUN:
            self._cut_off(f"was not through after {now - job.started:.0f} s")
        elif self.missing >= _LOST_AFTER:
            self._cut_off("ended before it had looked at everything")

    def _cut_off(self, how: str) -> None:
        self.job.seen.add("cut_off", how)
        self.job.seen.add("printed", self.job.printed())
        self.job.over = True

    def _look_at_queue(self, queue: Queue) -> None:
        job = self.job
        how = job.in_queue(queue)
        found = queue.job(job.token, job.job_id)
        self.listed.add(how)
        if found and queue.is_pending(found):
            self.reason = found.reason or found.state
        living = bool(queue.living(job.token, job.job_id))
        self.missing = 0 if living else self.missing + 1

    def _meet(self) -> None:
        """Answer the job's file by another, and note when its answer is seen."""
        job = self.job
        if not self.pinged:
            self.pinged, self.ping_at = True, time.time()
            _put(job.folder / "ping")
        elif not self.ponged and (job.folder / "pong").exists():
            self.ponged, seen_at = True, time.time()
            with suppress(OSError, ValueError):
                there = float((job.folder / "pong").read_text())
                job.seen.add("round_trip", seen_at - self.ping_at)
                job.seen.add("offset", there - (seen_at + self.ping_at) / 2)
                job.seen.add("uncertainty", (seen_at - self.ping_at) / 2)
        if self.ponged and "link_seen" not in job.seen and (job.folder / "link").exists():
            count = (job.folder / "lock").stat().st_nlink
            job.seen.add("link_seen", "yes" if count == 2 else "no")

    def _after_done(self, now: float) -> None:
        """The probe is through; the scheduler may say later how the job ended."""
        self.done_at = self.done_at or now
        job = self.job
        if "capability" in job.facts() and "kernels_compiled" not in job.seen:
            found = job.kernels()
            job.seen.add("kernels_compiled", " ".join(map(str, sorted(found.compiled))))
            job.seen.add("kernels_ptx", " ".join(map(str, sorted(found.ptx))))
        if job.task == "everything" and job.scheduler:
            end = job.end()
            late = now - self.done_at > _END_KNOWN_AFTER
            if (end is None or end[0] == "unknown") and not late:
                time.sleep(1)
                return
            known, said = end or ("unknown", "that it runs")
            job.seen.add("end", known)
            job.seen.add("end_said", said)
            queue = ask_queue(job.scheduler, job.folder.parent) if not self.listed else None
            if queue:
                self.listed.add(job.in_queue(queue))
            seen = self.listed
            how = "yes" if "token" in seen else "id" if "id" in seen else "no" if seen else ""
            job.seen.add("token", how)
        job.over = True

    def _look_at_cancelled(self, facts: Facts, queue: Queue | None, now: float) -> None:
        job = self.job
        if "no_watcher" in job.seen or "watcher_problem" in job.seen:
            job.over = True
        elif self.cancelled_at is None:
            pending = job.started is None and now - job.submitted > self.seconds / 2
            if "begun" in facts or pending:
                self.cancelled_at = now
                job.seen.add("cancelled_while", "in the queue" if pending else "while it ran")
                if said := job.cancel():
                    job.seen.add("not_cancelled", said)
                    job.over = True
        elif told := job.told():
            job.seen.add("told", told)
            job.seen.add("told_after", f"{now - self.cancelled_at:.0f}")
            job.over = True
        else:
            if queue is not None and (watcher := job.watcher_id()):
                found = queue.job("", watcher)
                waits = found and queue.is_pending(found)
                self.reason = (found.reason or found.state) if found and waits else ""
            if now - self.cancelled_at > min(_WATCHER_AFTER, max(self.seconds, 20)):
                job.seen.add("waited_for_watcher", f"{now - self.cancelled_at:.0f}")
                job.seen.add("watcher_waits", self.reason)
                job.over = True


def _put(path: Path) -> None:
    new = path.with_name(f".{path.name}.new")
    new.touch()
    new.rename(path)


def _facts_of(jobs: Sequence[ProbeJob]) -> dict[Task, Facts]:
    """What the jobs of a place found, and what this side saw of the first."""
    found: dict[Task, Facts] = {}
    for job in jobs:
        facts = job.facts()
        for name, value in job.seen.as_json().items():
            facts.add(name, value)
        found[job.task] = facts
        if job.task == "everything" and job.scheduler:
            found["queue"] = facts
    return found


def _leave_nothing(jobs: Sequence[ProbeJob], project: Path, folder: Path) -> None:
    """Cancel what still waits or runs, and remove the folder when that is gone."""
    waiting = [job for job in jobs if job.job_id and "done" not in job.facts()]
    for job in waiting:
        with suppress(OSError):
            job.cancel()
    for attempt in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() and (attempt or not waiting):
            return
        time.sleep(0.5)
