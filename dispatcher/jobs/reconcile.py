"""Jobs that run for RELION and are not there any more: RELION is told, with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from .. import host
from ..atomic_files import remove_unfinished
from ..record import RECORD, SUBMISSION, change_record
from ..scheduler import filled
from ..site import Site
from .claim import give_up
from .exit_files import CONTROL, End, tell
from .job_end import ask_end
from .project_jobs import Job, look
from .submitted_before import is_being_submitted

__all__ = ["is_lost", "looked_and_reconciled"]

GRACE = 5  # seconds in which a job's last files may still be on their way
BEING_SUBMITTED = 600  # seconds after which nobody is submitting a job any more


def looked_and_reconciled(
    project: Path, site: Site, names: Collection[str] = ()
) -> tuple[list[Job], list[str]]:
    """The project's jobs, and a sentence for each whose end RELION was told just now.

    A job that seems lost is looked at twice, some seconds apart.

    Raises:
        InputError: the project has no pipeline, or it cannot be read.
        WriteError: RELION cannot be told.
    """
    jobs = look(project, site, names)
    _mend(jobs, project)
    if not any(is_lost(job) for job in jobs):
        return jobs, []
    time.sleep(GRACE)
    jobs = look(project, site, names)
    told = list(_tell_lost(jobs, project))
    return (look(project, site, names) if told else jobs), told


def is_lost(job: Job) -> bool:
    """Whether it runs for RELION, and neither the scheduler nor anybody else knows of it."""
    if job.status != "Running" or not job.is_own:
        return False
    if job.record is None:
        return _age(job) > BEING_SUBMITTED
    if "refused" in job.record:
        return not _is_submitted_now(job)
    if job.queue is None or not job.token:
        return False
    if job.queued and not job.queue.has_ended(job.queued):
        return False
    return job.record.get("job_id") is not None or not _is_submitted_now(job)


def _is_submitted_now(job: Job) -> bool:
    """Whether the process that wrote the record still works on it; by its age on other machines."""
    assert job.record is not None
    if job.record.get("host") != os.uname().nodename:
        return _age(job) < BEING_SUBMITTED
    return is_being_submitted(job.record, job.name)


def _age(job: Job) -> float:
    """Seconds since RELION wrote the submission script."""
    try:
        return time.time() - (job.folder / SUBMISSION).stat().st_mtime
    except OSError:
        return 0


def _mend(jobs: Sequence[Job], project: Path) -> None:
    """Add job ids that a killed process could not write; cancel what RELION was told to be over."""
    for job in jobs:
        if not (job.queue and job.queued and job.record and job.scheduler):
            continue
        if "refused" in job.record:
            for each in job.queue.living(job.token) if job.scheduler.cancel_command else []:
                _run(filled(job.scheduler.cancel_command, job_id=each.job_id), project)
        elif job.record.get("job_id") is None and not _is_submitted_now(job):
            change_record(job.folder, job.token, job_id=job.queued.job_id)


def _run(command: Sequence[str], project: Path) -> None:
    try:
        host.run(command, cwd=project, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return  # the next look finds it again


def _tell_lost(jobs: Sequence[Job], project: Path) -> Iterator[str]:
    for job in jobs:
        if not is_lost(job):
            continue
        sentence = _why(job, project)
        if job.token:
            give_up(job.folder, job.token)  # what may still be on its way to the queue
        end: End = "ABORTED" if job.wants_abort else "FAILURE"
        if tell(job.folder, job.errfile, end, sentence, job.token or None):
            # Nobody is left to remove what its hook and its script were working on.
            remove_unfinished(job.folder, (RECORD, f"{SUBMISSION}.run", f"{SUBMISSION}.watch"))
            shutil.rmtree(job.folder / CONTROL, ignore_errors=True)
            yield f"{job.name}: {sentence}"


def _why(job: Job, project: Path) -> str:
    if job.record is None:
        return (
            "The job was never submitted, as relion-dispatch ended before it could be: run it "
            "again."
        )
    if "refused" in job.record:
        return str(job.record["refused"])
    job_id = job.queued.job_id if job.queued else job.record.get("job_id")
    if job_id is None:
        return (
            "relion-dispatch ended while it submitted the job, and the queue does not have it: "
            "run it again."
        )
    assert job.scheduler
    why = ask_end(job.scheduler, str(job_id), project)
    return f"The job (number {job_id} in the queue) ended without a word of its own script: {why}."
