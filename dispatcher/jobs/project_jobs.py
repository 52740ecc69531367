"""A project's jobs as they stand now, and the job that a user names."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..config.site import Site
from ..errors import InputError
from ..scheduler.answers import Queue
from ..scheduler.calls import ask_queue
from .job import Job
from .listed_jobs import listed_jobs
from .read_job import read_job
from .record import Record

__all__ = ["ProjectJobs", "find_job", "look"]


class ProjectJobs(NamedTuple):
    """A project's jobs, in RELION's order; a sentence if RELION's list has something else."""

    jobs: list[Job]
    problem: str | None


def look(project: Path, site: Site, names: Collection[str] | None = None) -> ProjectJobs:
    """Read the project's jobs (or those of these names), and ask their schedulers, once for each
    cluster.

    A queue shows its user's own jobs only, and this machine cannot see the processes of another.
    A scheduler is asked only if one of its jobs may still be there.

    Raises:
        InputError: the project has no pipeline, or it cannot be read.
    """
    listed = listed_jobs(project)
    jobs = [
        read_job(project, process.name, process.status, site)
        for process in listed.jobs
        if names is None or process.name in names
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
