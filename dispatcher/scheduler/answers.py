"""What a scheduler answers, read by the patterns of its file: submission, queue, end of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from ..config.scheduler import Scheduler
from ..errors import ConfigError
from ..host.programs import Finished
from .job_ids import is_job_id

__all__ = ["Queue", "QueuedJob", "SubmitAnswer", "read_answer", "read_end", "read_jobs"]


class SubmitAnswer(NamedTuple):
    """What became of one attempt.

    Attributes:
        outcome: "taken"; "refused" for good; or "unclear": not taken, or taken and not said so.
        job_id: the scheduler's id if it is known.
        sentence: what happened, without a full stop.
    """

    outcome: Literal["taken", "refused", "unclear"]
    job_id: str | None
    sentence: str


def read_answer(scheduler: Scheduler, program: str, done: Finished) -> SubmitAnswer:
    """Read what the submit command `program` printed, and its exit status.

    Commands can print warnings before the job id, or end with status 0 and still have failed.
    """
    everything = re.sub(r"\s+", " ", done.stdout + done.stderr).strip()
    printed = everything[:400]
    found = re.search(scheduler.job_id or r"(\d+)", done.stdout, re.MULTILINE)
    if done.status == 0 and found and is_job_id(found[1]):
        return SubmitAnswer("taken", found[1], f'"{program}" named job {found[1]}')
    if done.status == 0:
        what = f'the submit command "{program}" named no job id (it printed: "{printed}")'
        return SubmitAnswer("unclear", None, what)
    what = (
        f'the submit command "{program}" failed with status {done.status}: '
        f"{printed or 'it printed nothing'}"
    )
    passing = any(re.search(each, everything, re.IGNORECASE) for each in scheduler.transient)
    return SubmitAnswer("unclear" if passing or done.status < 0 else "refused", None, what)


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
    """The jobs of this user that a scheduler knows, recently ended ones included."""

    scheduler: Scheduler
    jobs: tuple[QueuedJob, ...]

    def job(self, token: str, job_id: str | None = None) -> QueuedJob | None:
        """The job with this token; of several, one that has not ended, else the first.

        The id tells the job if its token is gone, as when an admin has changed its comment.
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


def read_jobs(scheduler: Scheduler, printed: str) -> Iterator[QueuedJob]:
    """Read the queue command's output; lines that the pattern does not match are others' jobs.

    Raises:
        ConfigError: there is no pattern, and without one all jobs would seem to be lost.
    """
    if scheduler.queue_pattern is None:
        raise ConfigError(
            "relion-dispatch cannot read what the queue command prints: ask your admin to set "
            f'"queue_pattern" of the scheduler, or "read_jobs" in {scheduler.dialect}.py.'
        )
    pattern = re.compile(scheduler.queue_pattern, re.MULTILINE)
    for found in pattern.finditer(printed):
        groups = found.groupdict()
        yield QueuedJob(
            groups["id"],
            groups["state"],
            groups["token"] or "",
            *(groups.get(name) or "" for name in ("node", "reason", "time")),
        )


def read_end(scheduler: Scheduler, printed: str) -> str | None:
    """One clause on the end of a job, from what the end command printed ("" for nothing).

    None if it says that the job has not ended. The watcher's script (``watcher.sh.j2``) reads the
    same output in the same way.

    >>> queue = Scheduler(submit_command=["x"], ends={"TIMEOUT": "too late"}, facts=["State"])
    >>> read_end(queue, "JobId=1 State=TIMEOUT Nodes=1")
    'too late (State=TIMEOUT)'
    """
    if any(text in printed for text in scheduler.alive):
        return None
    matching = (says for text, says in scheduler.ends.items() if text in printed)
    says = next(matching, scheduler.unknown_end)
    words = ((word, *word.partition("=")) for word in printed.split())
    facts = ", ".join(word for word, name, _, value in words if value and name in scheduler.facts)
    return f"{says} ({facts})" if facts else says
