"""How this side follows one job of the doctor: in its folder, and in the queue."""

from __future__ import annotations

import time

from ..scheduler.answers import Queue
from ..scheduler.calls import ask_queue
from .facts import Facts
from .meeting import Meeting
from .probe_job import ProbeJob

__all__ = ["Look"]

# Seconds.
_LONGEST_RUN = 270.0  # the job's own limit is 300
_ASK_END_EVERY = 2.0
_END_KNOWN_AFTER = 30.0  # accounting may be late
_WATCHER_AFTER = 120.0  # the watcher may wait in the queue
_LOST_AFTER = 5  # answers of the queue without the job


class Look:
    """How this side follows one job."""

    def __init__(self, job: ProbeJob, seconds: int) -> None:
        self.job, self.seconds = job, seconds
        self.meeting = Meeting(job.folder)
        self.asked_end_at = 0.0
        self.missing = 0
        self.listed: set[str | None] = set()
        self.reason = ""
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
        if "done" in facts:
            if not self.meeting.is_open:
                self._after_done(now)
        elif job.started is None and now - job.submitted > self.seconds:
            job.seen.add("waited", f"{now - job.submitted:.0f}")
            job.seen.add("not_started", self.reason)
            job.over = True
        elif job.started is not None and now - job.started > _LONGEST_RUN:
            self._cut_off(f"was not through after {now - job.started:.0f} s", facts)
        elif self.missing >= _LOST_AFTER:
            self._cut_off("ended before it had looked at everything", facts)

    def _cut_off(self, how: str, facts: Facts) -> None:
        at = "".join(f", while it looked at {what}" for what in facts.each("looks_at")[-1:])
        self.job.seen.add("cut_off", f"{how}{at}")
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

    def _after_done(self, now: float) -> None:
        """The probe is through; the scheduler may say later how the job ended."""
        self.done_at = self.done_at or now
        job = self.job
        if "capability" in job.facts() and "kernels_compiled" not in job.seen:
            found = job.kernels()
            job.seen.add("kernels_compiled", " ".join(map(str, sorted(found.compiled))))
            job.seen.add("kernels_ptx", " ".join(map(str, sorted(found.ptx))))
        if job.task == "everything" and job.scheduler:
            if now - self.asked_end_at < _ASK_END_EVERY:
                return
            self.asked_end_at = now
            end, (accounted, account) = job.end(), job.accounted()
            late = now - self.done_at > _END_KNOWN_AFTER
            is_known = end is not None and "yes" in (end[0], accounted)
            if not late and not is_known and (end is None or "unknown" in (end[0], accounted)):
                return
            job.seen.add("accounted", accounted)
            job.seen.add("account", account)
            known, said = end or ("unknown", "that it runs")
            job.seen.add("end", known)
            job.seen.add("end_said", said)
            if not self.listed:
                queue = ask_queue(job.scheduler, job.folder.parent, job.where)
                self.listed |= {job.in_queue(queue)} if queue else set()
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
                if said := job.cancel(job.job_id or ""):
                    job.seen.add("not_cancelled", said)
                    job.over = True
        elif told := job.told():
            job.seen.add("told", told)
            job.seen.add("told_after", f"{now - self.cancelled_at:.0f}")
            job.over = True
        else:
            if queue is not None and job.watchers:
                found = queue.job("", job.watchers[0])
                waits = found and queue.is_pending(found)
                self.reason = (found.reason or found.state) if found and waits else ""
            if now - self.cancelled_at > min(_WATCHER_AFTER, max(self.seconds, 20)):
                job.seen.add("waited_for_watcher", f"{now - self.cancelled_at:.0f}")
                job.seen.add("watcher_waits", self.reason)
                job.over = True
