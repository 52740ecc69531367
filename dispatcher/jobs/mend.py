"""What a process that was killed could not do any more for a job that is in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..config.scheduler import filled
from ..errors import WriteError
from ..scheduler.calls import try_call
from .hook_note import is_being_submitted
from .project_jobs import Job
from .record import change_record
from .watcher import WATCHER, submit_watcher

__all__ = ["mend"]


def mend(jobs: Sequence[Job], project: Path) -> None:
    """Add each job's id to its record, submit its watcher, cancel what RELION was told to be over.

    What does not succeed is left to the next look.
    """
    for job in jobs:
        if not (job.queue and job.queued and job.record and job.scheduler):
            continue
        if "refused" in job.record:
            for each in job.living if job.scheduler.cancel_command else []:
                command = filled(job.scheduler.cancel_command, job_id=each.job_id)
                try_call(job.scheduler, command, project)
        elif not is_being_submitted(job.record, job.folder):
            with suppress(WriteError):
                _complete(job, project)


def _complete(job: Job, project: Path) -> None:
    assert job.record and job.scheduler
    if not job.living:
        return
    job_id = job.living[0].job_id
    if job.record.get("job_id") is None:
        change_record(job.folder, job.token, job_id=job_id)
    if job.scheduler.watcher and "watcher" not in job.record and (job.folder / WATCHER).exists():
        watcher = submit_watcher(project, job.name, job.scheduler, job_id, job.token)
        change_record(job.folder, job.token, watcher=watcher)
