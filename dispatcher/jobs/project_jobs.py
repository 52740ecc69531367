"""A project's jobs as they stand now: RELION's word, the dispatcher's record, the queue's entry."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..config.scheduler import Scheduler
from ..config.site import Site
from ..errors import InputError
from ..relion import job_star
from ..relion.exit_files import ABORT_NOW, end_of
from ..relion.pipeline import read_processes
from ..relion.submission import SUBMISSION, is_from_our_template
from ..scheduler.answers import Queue, QueuedJob
from ..scheduler.calls import ask_queue
from .hook_note import hook_at_work
from .record import RECORD, read_record

__all__ = ["Job", "find_job", "look"]

_ENDED = {"SUCCESS": "Succeeded", "FAILURE": "Failed", "ABORTED": "Aborted"}


class Job(NamedTuple):
    """One job of a project.

    Attributes:
        name: ``Refine3D/job019``.
        folder: the job's folder.
        status: RELION's, as it will be once it has seen the job's exit file.
        record: the record of the current submission, if there is one.
        last_record: the newest record that can be read, be it an earlier submission's.
        is_this_users: whether this user submitted it, or would have.
        scheduler: the site's scheduler that the last record names, if the site has it.
        queue: that scheduler's queue; None where it was not asked, or did not answer.
    """

    name: str
    folder: Path
    status: str
    record: Mapping[str, Any] | None
    last_record: Mapping[str, Any] | None
    is_this_users: bool
    scheduler: Scheduler | None
    queue: Queue | None

    @property
    def queued(self) -> QueuedJob | None:
        """The job in the queue."""
        return self.queue.job(*_marks(self.record)) if self.queue and self.record else None

    @property
    def living(self) -> list[QueuedJob]:
        """The jobs of the last record that are in the queue and have not ended."""
        return self.queue.living(*_marks(self.last_record)) if self.queue else []

    @property
    def other_host(self) -> str | None:
        """The machine that alone can look at the job's processes; None where that is this one, or
        where a queue tells of the job."""
        host = str((self.last_record or {}).get("host"))
        detached = self.scheduler is not None and self.scheduler.detached
        return host if detached and host != os.uname().nodename else None

    @property
    def token(self) -> str:
        """What tells its submission from all others; "" where there is none."""
        return str((self.record or {}).get("token", ""))

    @property
    def errfile(self) -> Path:
        """Where RELION's user looks for errors."""
        return self.folder / "run.err"

    @property
    def wants_abort(self) -> bool:
        """Whether RELION's user has pressed Abort."""
        return (self.folder / ABORT_NOW).exists()


def look(project: Path, site: Site, names: Collection[str] = ()) -> list[Job]:
    """Read the project's jobs (or those of these names), and ask their schedulers once each.

    A queue tells of its user's own jobs; processes of this machine are no queue for the jobs of
    another. Schedulers are only asked where a job may still be there.

    Raises:
        InputError: the project has no pipeline, or it cannot be read.
    """
    jobs = [
        _read(project, process.name, process.status, site)
        for process in read_processes(project)
        if not names or process.name in names
    ]
    queues: dict[str, Queue | None] = {}
    looked = []
    for job in jobs:
        if job.scheduler and job.last_record and _may_be_there(job, job.last_record):
            name = str(job.last_record["scheduler"])
            if name not in queues:
                queues[name] = ask_queue(job.scheduler, project)
            job = job._replace(queue=queues[name])
        looked.append(job)
    return looked


def _may_be_there(job: Job, record: Mapping[str, Any]) -> bool:
    asked = job.status == "Running" or "refused" in record
    return asked and job.is_this_users and not job.other_host


def _marks(record: Mapping[str, Any] | None) -> tuple[str, str | None]:
    """Token and job id of a record, as far as it has them."""
    found = record or {}
    return str(found.get("token", "")), found.get("job_id")


def _read(project: Path, name: str, status: str, site: Site) -> Job:
    folder = project / name
    last = read_record(folder, of_any_run=True)
    # Of a job that is over the record holds in any case: a copied project has new times.
    record = read_record(folder) if status == "Running" else last
    end = end_of(folder) if status == "Running" else None
    own = False
    with suppress(OSError):
        own = (folder / (RECORD if record else SUBMISSION)).stat().st_uid == os.getuid()
    if status == "Running" and not end and _runs_elsewhere(project, folder, record, last):
        record, own = None, False
    return Job(
        name=name,
        folder=folder,
        status=_ENDED[end] if end else status,
        record=record,
        last_record=last,
        is_this_users=own and (record is not None or is_from_our_template(folder / SUBMISSION)),
        scheduler=site.schedulers.get(str((last or {}).get("scheduler"))),
        queue=None,
    )


def _runs_elsewhere(
    project: Path,
    folder: Path,
    record: Mapping[str, Any] | None,
    last: Mapping[str, Any] | None,
) -> bool:
    """Whether a job that runs for RELION is none of ours, whatever the record says.

    RELION runs it without the queue: it writes no submission script then, and the record is an
    earlier run's. Or the folder was copied with its project, and the job runs in the original.
    """
    gui = job_star.read(folder / "job.star")
    if gui and gui.options.get("do_queue") == "No":
        return True
    if "run" in (record or {}):  # its end was told, and RELION has removed the file since
        return True
    if last is None or hook_at_work(folder):
        return False
    with suppress(OSError):
        original = Path(str(last.get("project", project))) / folder.relative_to(project) / RECORD
        return not original.samefile(folder / RECORD)
    return False


def find_job(project: Path, named: str) -> str:
    """RELION's name of the job that a user names: as RELION does, by its folder, or by its alias.

    Raises:
        InputError: the project has no such job.
    """
    from ..config.json_files import nearest

    names = [process.name for process in read_processes(project)]
    plain = named.rstrip("/")
    if plain in names:
        return plain
    for folder in (project / plain, Path(plain)):
        for name in names:
            with suppress(OSError):
                if (project / name).samefile(folder):
                    return name
    hint = nearest(plain, names) or ": name it as RELION does (Refine3D/job019)."
    raise InputError(f"{project} has no job {named}{hint}")
