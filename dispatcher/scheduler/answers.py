"""What a scheduler answers, read by the patterns of its file: submission, queue, end of a job."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from typing import Literal, NamedTuple

from ..config.scheduler import Scheduler
from ..errors import ConfigError
from ..host.programs import Finished
from .clusters import is_cluster, where_is
from .job_ids import is_job_id

__all__ = ["Queue", "QueuedJob", "SubmitAnswer", "in_words", "knows_end", "names_its_clusters",
           "read_answer", "read_end", "read_jobs"]  # fmt: skip


class SubmitAnswer(NamedTuple):
    """What became of one attempt.

    Attributes:
        outcome: "taken", though perhaps without a word on the id; "refused" for good; or "unclear":
            not taken, or taken and not said so.
        job_id: the scheduler's id if it is known.
        sentence: what happened, without a full stop.
        cluster: the job's cluster, if the scheduler has named it.
    """

    outcome: Literal["taken", "refused", "unclear"]
    job_id: str | None
    sentence: str
    cluster: str | None = None


def read_answer(scheduler: Scheduler, program: str, done: Finished) -> SubmitAnswer:
    """Read what the submit command `program` printed, and its exit status.

    Status 0 means that the job was taken. Programs around the command print more lines before the
    job id and after it. If several lines may be the answer, none is believed where the queue can
    tell which job has the token.
    """
    everything = re.sub(r"\s+", " ", done.stdout + done.stderr).strip()
    printed = everything[:400]
    if done.status == 0:
        found = list(dict.fromkeys(_named(scheduler, done.stdout)))
        can_tell = bool(scheduler.queue_command and scheduler.mark)
        if len(found) == 1 or (found and not can_tell):
            job_id, cluster = found[0]
            return SubmitAnswer("taken", job_id, f'"{program}" named job {job_id}', cluster)
        what = f'the submit command "{program}" named '
        what += "several numbers that may be the job id" if found else "no job id"
        return SubmitAnswer("taken", None, f'{what} (it printed: "{printed}")')
    what = (
        f'the submit command "{program}" failed with status {done.status}: '
        f"{printed or 'it printed nothing'}"
    )
    passing = any(re.search(each, everything, re.IGNORECASE) for each in scheduler.transient)
    return SubmitAnswer("unclear" if passing or done.status < 0 else "refused", None, what)


def _named(scheduler: Scheduler, printed: str) -> Iterator[tuple[str, str | None]]:
    """The ids that lines of the submit command's output name, each with its cluster.

    Terminals' signs for colours are no part of a line.
    """
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", printed).replace("\r", "")
    line = -1
    for found in re.finditer(scheduler.job_id or r"(\d+)", plain, re.MULTILINE):
        groups = found.groupdict()
        job_id, cluster = groups.get("id") or found[1], groups.get("cluster")
        before, line = line, plain.count("\n", 0, found.end())
        if line > before and is_job_id(job_id):
            yield job_id, cluster if is_cluster(cluster) else None


class QueuedJob(NamedTuple):
    """A job in the queue, in the scheduler's own words; "" for what it does not tell.

    `time` is what it has run so far. Jobs that were not dispatched have no token. `cluster` is
    known if the queue command tells it. `since` is when it was submitted, as
    ``2026-11-29T03:45:41``, by this machine's clock.
    """

    job_id: str
    state: str
    token: str
    node: str = ""
    reason: str = ""
    time: str = ""
    cluster: str = ""
    since: str = ""


class Queue(NamedTuple):
    """The jobs of this user that a scheduler knows, recently ended ones included.

    `where` are the options that the queue command had at its end (clusters.py).
    """

    scheduler: Scheduler
    jobs: tuple[QueuedJob, ...]
    where: tuple[str, ...] = ()

    def where_is(self, job: QueuedJob) -> tuple[str, ...]:
        """The options by which commands find this job."""
        return where_is(self.scheduler, job.cluster, self.where)

    def job(self, token: str, job_id: str | None = None) -> QueuedJob | None:
        """The job with this token; of several, one that has not ended, else the first.

        The id tells the job if its token is gone, as when an admin has changed its comment.
        """
        found = self._found(token, job_id)
        return next(iter(self.living(token, job_id)), None) or next(iter(found), None)

    def living(self, token: str, job_id: str | None = None) -> list[QueuedJob]:
        """The jobs of `job` that have not ended, those that run first: a scheduler may have taken
        it twice, and next runs may wait behind it."""
        found = [job for job in self._found(token, job_id) if not self.has_ended(job)]
        return sorted(found, key=self.is_pending)

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


def names_its_clusters(scheduler: Scheduler, printed: str) -> bool:
    """Whether the queue command, asked for some cluster, says of which one it speaks: each does,
    but for commands that leave out such lines."""
    silent = any(each in scheduler.queue_command for each in scheduler.without_cluster_line)
    line = scheduler.cluster_line
    return line is None or silent or re.search(line, printed, re.MULTILINE) is not None


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
    heads = list(re.finditer(scheduler.cluster_line or "(?!)", printed, re.MULTILINE))
    begins = [head.start() for head in heads]
    for found in pattern.finditer(printed):
        groups = found.groupdict()
        at = bisect(begins, found.start())
        cluster = heads[at - 1]["cluster"] if at else ""
        job = QueuedJob(
            groups["id"],
            groups["state"],
            groups["token"] or "",
            *(groups.get(name) or "" for name in ("node", "reason", "time")),
        )._replace(since=groups.get("since") or "")
        yield job._replace(cluster=cluster) if is_cluster(cluster) else job


def in_words(scheduler: Scheduler, printed: str) -> str:
    """What the accounting command printed, in the form of the end command's output.

    >>> queue = Scheduler(submit_command=["x"], accounting_columns=["State", "Nodes"])
    >>> in_words(queue, "CANCELLED by 1000|n1\\n")
    'State=CANCELLED by 1000 Nodes=n1'
    """
    names = scheduler.accounting_columns
    if not names:
        return printed
    rows = (line.split("|") for line in printed.splitlines())
    words = (
        " ".join(map("=".join, zip(names, row, strict=True)))
        for row in rows
        if len(row) == len(names)
    )
    return "\n".join(words)


def knows_end(scheduler: Scheduler, printed: str) -> bool:
    """Whether the output says of a job how it ended, or that it has not."""
    return any(text in printed for text in (*scheduler.alive, *scheduler.ends))


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
