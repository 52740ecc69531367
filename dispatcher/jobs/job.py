"""One job of a project as it stands now: RELION's status, its record, and the queue's entry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from ..config.scheduler import Scheduler, filled
from ..relion.exit_files import wants_abort
from ..scheduler.answers import Queue, QueuedJob
from ..scheduler.clusters import names_one, where_is
from .record import Record
from .seal import Sealed, is_sealed

__all__ = ["Elsewhere", "Job"]

# Why the queue tells nothing of a job that runs for RELION: RELION runs it by itself, its script
# has told the end, or its folder is a copy.
Elsewhere = Literal["without_queue", "ended", "copied"]


class Job(NamedTuple):
    """One job of a project.

    Attributes:
        name: ``Refine3D/job019``.
        folder: the job's folder.
        status: RELION's, as RELION will have it once it has seen the job's exit file.
        record: the record of the current submission, if it has one.
        problem: a sentence if its record, or what others noted beside it, cannot be read.
        last_record: the newest record that can be read, even if an earlier submission's.
        is_this_users: whether this user submitted it, or would have.
        scheduler: the site's scheduler that the last record names, if the site has it.
        queue: that scheduler's queue; None if it was not asked, or did not answer.
        elsewhere: why relion-dispatch does not run the job, although it runs for RELION and has a
            record; None if it does.
    """

    name: str
    folder: Path
    status: str
    record: Record | None
    problem: str | None
    last_record: Record | None
    is_this_users: bool
    scheduler: Scheduler | None
    queue: Queue | None
    elsewhere: Elsewhere | None = None

    @property
    def queued(self) -> QueuedJob | None:
        """The job in the queue."""
        if self.queue is None or self.record is None:
            return None
        found = self.queue.job(self.record.token, self.record.job_id)
        return next(iter(self.living), found)

    @property
    def living(self) -> list[QueuedJob]:
        """The jobs of the last record that are in the queue and have not ended: those that run,
        and then those that wait, as they stand in the line of its next runs."""
        if self.queue is None or self.last_record is None:
            return []
        line = self.last_record.jobs_in_line
        found = self.queue.living(self.last_record.token, self.last_record.job_id)
        return sorted(found, key=lambda job: _place(job.job_id, line))

    @property
    def is_sealed(self) -> bool:
        """Whether this user's hook wrote the last record, for the job in this place."""
        last = self.last_record
        if last is None:
            return False
        project = self.folder.parents[len(Path(self.name).parts) - 1]
        what = Sealed(
            project,
            self.name,
            last.token,
            last.watcher_script,
            last.job_script,
            last.submit_command,
        )
        return is_sealed(last.seal, what)

    @property
    def own(self) -> list[QueuedJob]:
        """Those of `living` that may be touched in the scheduler, for they are this very job.

        A record may be of a stranger's making, and name the id and token of any job of this user.
        And an id, which is not sealed, is only believed if the scheduler's jobs have no marks.
        """
        if self.scheduler is None or not self.living or not self.is_sealed:
            return []
        has_marks = self.scheduler.mark or self.scheduler.detached
        certain = [job for job in self.living if job.token or not has_marks]
        return [job for job in certain if self.queue and names_one(self.queue.where_is(job))]

    @property
    def to_cancel(self) -> list[QueuedJob]:
        """The living jobs that may be cancelled."""
        return self.own if self.scheduler and self.scheduler.cancel_command else []

    def cancel_command(self, job: QueuedJob) -> list[str]:
        """What cancels one of `to_cancel`."""
        assert self.scheduler
        assert self.queue
        command = filled(self.scheduler.cancel_command, job_id=job.job_id)
        return [*command, *self.queue.where_is(job)]

    @property
    def where(self) -> tuple[str, ...]:
        """The options that lead to the cluster of the last record's job, or to those where it may
        be, if nobody has named one."""
        last = self.last_record
        if last is None or self.scheduler is None:
            return ()
        return where_is(self.scheduler, last.cluster, last.submit_command)

    @property
    def other_host(self) -> str | None:
        """The other machine that alone can see the job's processes.

        None if this machine can, or if a queue knows of the job.
        """
        if self.last_record is None or self.scheduler is None or not self.scheduler.detached:
            return None
        host = self.last_record.hook.host
        return None if host == os.uname().nodename else str(host)

    @property
    def token(self) -> str:
        """The token of the current submission; "" if it has no record."""
        return self.record.token if self.record else ""

    @property
    def errfile(self) -> Path:
        """Where RELION's user looks for errors."""
        return self.folder / "run.err"

    @property
    def wants_abort(self) -> bool:
        """Whether RELION's user has pressed Abort."""
        return wants_abort(self.folder)


def _place(job_id: str, line: Sequence[str]) -> int:
    return line.index(job_id) if job_id in line else len(line)
