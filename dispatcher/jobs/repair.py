"""Jobs that run for RELION and are not there any more: RELION is told, with the reason."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..config.scheduler import filled
from ..config.site import Site
from ..errors import WriteError
from ..host.atomic_files import remove_unfinished
from ..relion.exit_files import End, control_folder, look_again
from ..relion.submission import SUBMISSION
from ..scheduler.calls import ask_end, try_call
from .claim import give_up, is_claimed
from .hook_note import HOOK, hook_at_work, is_being_submitted
from .project_jobs import Job, look
from .record import RECORD, change_record
from .tell import tell
from .watcher import WATCHER, submit_watcher

__all__ = ["is_lost", "mend", "refresh_and_report_lost"]

GRACE = 5  # seconds in which a job's last files may still be on their way


def refresh_and_report_lost(
    project: Path, site: Site, names: Collection[str] = ()
) -> tuple[list[Job], list[str]]:
    """The project's jobs, and a sentence for each whose end RELION was told just now.

    A job that seems lost is looked at twice, some seconds apart. Where RELION cannot be told, the
    sentence says so.

    Raises:
        InputError: the project has no pipeline, or it cannot be read.
    """
    jobs = look(project, site, names)
    mend(jobs, project)
    lost = {(job.name, job.token) for job in jobs if is_lost(job)}
    if not lost:
        return jobs, []
    time.sleep(GRACE)
    for name, _ in lost:
        look_again(project / name)
    jobs = look(project, site, names)
    still_lost = [job for job in jobs if (job.name, job.token) in lost and is_lost(job)]
    told = list(_tell_lost(still_lost, project))
    return (look(project, site, names) if still_lost else jobs), told


def is_lost(job: Job) -> bool:
    """Whether it runs for RELION, and neither the scheduler nor anybody else knows of it."""
    if job.status != "Running" or not job.is_this_users:
        return False
    if job.record is None:
        hook = hook_at_work(job.folder) or {}
        return not is_being_submitted(hook, job.folder) and _is_in_no_queue(job)
    if "refused" in job.record:
        return not is_being_submitted(job.record, job.folder)
    if job.queue is None or not job.token or job.living:
        return False
    return job.record.get("job_id") is not None or not is_being_submitted(job.record, job.folder)


def _is_in_no_queue(job: Job) -> bool:
    """Whether a record that seems to be an earlier run's has no job any more.

    A clock that is wrong, or a script that was copied or touched, makes it seem so. Nor is a
    record that cannot be read none at all.
    """
    if job.last_record is None:
        return not os.access(job.folder / RECORD, os.F_OK)
    if job.queue is None:
        return not (job.scheduler and job.scheduler.queue_command)
    return not job.living


def _tell_lost(jobs: Sequence[Job], project: Path) -> Iterator[str]:
    for job in jobs:
        sentence = _why(job, project)
        if sentence is None:
            continue
        if job.token:
            give_up(job.folder, job.token)  # what may still be on its way to the queue
        end: End = "ABORTED" if job.wants_abort else "FAILURE"
        try:
            if not tell(job.folder, job.errfile, end, sentence, job.token or None):
                continue
        except WriteError as error:
            yield f"{job.name}: {error}"
            continue
        # Nobody is left to remove what its hook and its script were working on.
        remove_unfinished(job.folder, (RECORD, f"{SUBMISSION}.run", WATCHER))
        shutil.rmtree(control_folder(job.folder, job.token), ignore_errors=True)
        with suppress(OSError):
            (job.folder / HOOK).unlink()
        yield f"{job.name}: {sentence}"


def _why(job: Job, project: Path) -> str | None:
    """Why RELION is told now; None where the scheduler says that the job has not ended."""
    if job.record is None:
        return (
            "The job was never submitted, as relion-dispatch ended before it could be: run it "
            "again."
        )
    if "refused" in job.record:
        return str(job.record["refused"])
    job_id = job.queued.job_id if job.queued else job.record.get("job_id")
    if job_id is None and not is_claimed(job.folder, job.token):
        return (
            "relion-dispatch ended while it submitted the job, and the queue does not have it: "
            "run it again."
        )
    assert job.scheduler
    why = ask_end(job.scheduler, str(job_id or ""), project)
    return why and f"The job ended before its script could tell, because {why}."


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
