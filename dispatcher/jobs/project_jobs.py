"""A project's jobs as they stand now: RELION's status, the record and the queue's entry of each."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..config.scheduler import Scheduler, filled
from ..config.site import Site
from ..errors import InputError
from ..relion import job_star
from ..relion.exit_files import end_of, wants_abort
from ..relion.submission import SUBMISSION
from ..relion.submission_forms import is_from_our_template
from ..scheduler.answers import Queue, QueuedJob
from ..scheduler.calls import ask_queue
from ..scheduler.clusters import names_one, where_is
from .hook_process import hook_at_work
from .listed_jobs import listed_jobs
from .record import RECORD, Record, Unreadable, look_for_record, what_to_do
from .seal import is_sealed
from .this_run import is_of_this_run

__all__ = ["Job", "ProjectJobs", "find_job", "look"]

_ENDED = {"SUCCESS": "Succeeded", "FAILURE": "Failed", "ABORTED": "Aborted"}


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

    @property
    def queued(self) -> QueuedJob | None:
        """The job in the queue."""
        if self.queue is None or self.record is None:
            return None
        return self.queue.job(self.record.token, self.record.job_id)

    @property
    def living(self) -> list[QueuedJob]:
        """The jobs of the last record that are in the queue and have not ended."""
        if self.queue is None or self.last_record is None:
            return []
        return self.queue.living(self.last_record.token, self.last_record.job_id)

    @property
    def is_sealed(self) -> bool:
        """Whether this user's hook wrote the last record, for the job in this place."""
        last = self.last_record
        if last is None:
            return False
        project = self.folder.parents[len(Path(self.name).parts) - 1]
        return is_sealed(last.seal, project, self.name, last.token, last.watcher_script)

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


class ProjectJobs(NamedTuple):
    """A project's jobs, in RELION's order; a sentence if RELION's list has something else."""

    jobs: list[Job]
    problem: str | None


def look(project: Path, site: Site, names: Collection[str] = ()) -> ProjectJobs:
    """Read the project's jobs (or those of these names), and ask their schedulers, once for each
    cluster.

    A queue shows its user's own jobs only, and this machine cannot see the processes of another.
    A scheduler is asked only if one of its jobs may still be there.

    Raises:
        InputError: the project has no pipeline, or it cannot be read.
    """
    listed = listed_jobs(project)
    jobs = [
        _read(project, process.name, process.status, site)
        for process in listed.jobs
        if not names or process.name in names
    ]
    queues: dict[tuple[str, tuple[str, ...]], Queue | None] = {}
    looked = []
    for job in jobs:
        if job.scheduler and job.last_record and _may_be_there(job, job.last_record):
            key = (str(job.last_record.scheduler), job.where)
            if key not in queues:
                queues[key] = ask_queue(job.scheduler, project, job.where)
            job = job._replace(queue=queues[key])
        looked.append(job)
    return ProjectJobs(looked, listed.problem)


def _may_be_there(job: Job, record: Record) -> bool:
    asked = job.status == "Running" or record.refused is not None
    return asked and job.is_this_users and not job.other_host


def _read(project: Path, name: str, status: str, site: Site) -> Job:
    folder = project / name
    found = look_for_record(folder, of_any_run=True)
    last = found if isinstance(found, Record) else None
    # The record of a job that is over holds in any case: a copied project has new times.
    record = last if status != "Running" or is_of_this_run(folder, RECORD) else None
    end = end_of(folder) if status == "Running" else None
    own = False
    with suppress(OSError):
        own = (folder / (RECORD if record else SUBMISSION)).lstat().st_uid == os.getuid()
    if status == "Running" and not end and _runs_elsewhere(project, folder, record, last):
        record, own = None, False
    return Job(
        name=name,
        folder=folder,
        status=_ENDED[end] if end else status,
        record=record,
        problem=_problem(found, folder),
        last_record=last,
        is_this_users=own and (record is not None or is_from_our_template(folder / SUBMISSION)),
        scheduler=site.schedulers.get(str(last.scheduler)) if last else None,
        queue=None,
    )


def _problem(found: Record | Unreadable | None, folder: Path) -> str | None:
    if isinstance(found, Record):
        return "; ".join(found.problems) or None
    if found is None:
        return None
    return f"{found}, so relion-dispatch does not know this job: " + what_to_do(
        folder, "if no queue has the job, remove that file, and run the job again in RELION."
    )


def _runs_elsewhere(
    project: Path,
    folder: Path,
    record: Record | None,
    last: Record | None,
) -> bool:
    """Whether relion-dispatch does not run this job, although it runs for RELION and has a record.

    RELION may run the job without the queue: then RELION writes no submission script, and the
    record is an earlier run's. Or the folder was copied with its project while the job ran.
    """
    gui = job_star.read(folder / "job.star")
    if gui and gui.options.get("do_queue") == "No":
        return True
    if record and record.run:  # RELION was told the end, and has removed the exit file since
        return True
    if last is None or hook_at_work(folder):
        return False
    with suppress(OSError):
        original = (last.project or project) / folder.relative_to(project) / RECORD
        return not original.samefile(folder / RECORD)
    return False


def find_job(project: Path, named: str) -> str:
    """RELION's name of the job that a user names: as RELION does, by its folder, or by its alias.

    Raises:
        InputError: the project has no such job.
    """
    from ..config.json_files import nearest

    names = [process.name for process in listed_jobs(project).jobs]
    plain = named.rstrip("/")
    if plain in names:
        return plain
    for folder in (project / plain, Path(plain)):
        for name in names:
            with suppress(OSError):
                if (project / name).samefile(folder):
                    return name
    hint = nearest(plain, names) or ": give the job's name as in RELION (Refine3D/job019)."
    raise InputError(f"{project} has no job {named}{hint}")
