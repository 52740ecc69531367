"""Cancel a job that its user wants to end: in the scheduler, and for RELION."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ..config.site import Site
from ..errors import DispatchError, InputError, SubmitError, WriteError
from ..relion.exit_files import ABORT_NOW, end_of
from ..scheduler.answers import QueuedJob
from ..scheduler.calls import call, try_call
from .abort import how_aborted, want_abort
from .between_runs import next_run
from .job import Job
from .left_overs import remove_left_overs
from .project_jobs import look
from .tell import tell

__all__ = ["cancel", "cancel_aborted"]

WAIT = 60  # seconds for a running job to end
GRACE = 3  # seconds for what its script wrote last to arrive


def cancel(project: Path, site: Site, name: str) -> str:
    """Cancel a job and wait for its end; a sentence that says how it ended.

    Raises:
        InputError: the job does not run, was not dispatched, or is another user's.
        SubmitError: the scheduler does not answer, or the job does not end.
        WriteError: RELION cannot be told.
    """
    (job,) = look(project, site, [name]).jobs
    if job.status != "Running":
        raise InputError(f"{name} is not running (RELION's status of the job: {job.status}).")
    if job.record is None and job.problem:
        raise InputError(f"{name} cannot be cancelled here: {job.problem}")
    if job.record is None or job.scheduler is None:
        raise InputError(
            f"This site's relion-dispatch did not submit {name}: end the job where it runs."
        )
    if not job.is_this_users:
        raise InputError(
            f"{name} was submitted by {job.record.user}: ask {job.record.user} to cancel the job."
        )
    if job.other_host:
        raise InputError(
            f"{name} runs on {job.other_host}: cancel the job there, or abort the job in RELION."
        )
    if job.scheduler.cancel_command and job.living and not job.to_cancel:
        raise SubmitError(
            f"{name} was not cancelled, because job {job.living[0].job_id} in the queue may be "
            "another job: the queue shows no mark of relion-dispatch, or the record was written "
            "by another person, elsewhere, or by an earlier version. If it is this job, end it "
            "with the scheduler's own command."
        )
    if not job.scheduler.cancel_command:
        raise InputError(
            f'{name} cannot be cancelled, because site.json has no "cancel_command" for its '
            "scheduler: use the scheduler's own command, or abort the job in RELION."
        )
    _want_abort(job)
    return _cancel(project, site, job)


def _want_abort(job: Job) -> None:
    """Make RELION's abort file, which the job's script looks for."""
    try:
        want_abort(job.folder)
    except OSError as error:
        raise WriteError(
            f"{job.name} was not cancelled, because {job.folder / ABORT_NOW} cannot be written "
            f"({error.strerror}): free space on the disk or correct the folder's permissions, and "
            "try again."
        ) from error


def cancel_aborted(project: Path, site: Site, jobs: list[Job]) -> Iterator[str]:
    """Cancel the jobs that wait in the queue although RELION's user has pressed Abort.

    Yields a sentence for each that says how it ended, or what went wrong.
    """
    for job in jobs:
        waits = job.queue and job.queued and job.queue.is_pending(job.queued)
        if waits and job.to_cancel and job.status == "Running" and job.wants_abort:
            try:
                yield _cancel(project, site, job)
            except DispatchError as error:
                yield f"{job.name}: {error}"


def _cancel(project: Path, site: Site, job: Job) -> str:
    assert job.scheduler
    queued = job.queued
    if job.queue is None:
        raise SubmitError(
            f"The scheduler does not answer, so {job.name} was not cancelled there: try again "
            "later. RELION's abort file is in place, so the job also ends by itself once it runs."
        )
    before = " before it started" if queued and job.queue.is_pending(queued) else ""
    if next_run(job):
        before = " while it waited to go on"
    for each in reversed(job.to_cancel[1:]):  # next runs: one that stays would find nothing to do
        try_call(job.scheduler, job.cancel_command(each), project)
    for each in job.to_cancel[:1]:
        _scheduler_cancels(job, each, project)
        job = _ended(project, site, job)
    if job.status == "Running":
        sentence = f"The job was {how_aborted(job.folder)}{before}."
        if tell(job.folder, job.errfile, "ABORTED", sentence, job.token):
            remove_left_overs(job)
    return f"{job.name}: {(end_of(job.folder) or 'ABORTED').lower()}"


def _scheduler_cancels(job: Job, queued: QueuedJob, project: Path) -> None:
    assert job.scheduler
    command = job.cancel_command(queued)
    try:
        done = call(job.scheduler, command, project)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SubmitError(f"{command[0]} does not work ({error}): try again.") from error
    if done.status != 0:
        said = " ".join((done.stdout + done.stderr).split())
        raise SubmitError(f"{job.name} was not cancelled: {command[0]} said: {said}")


def _ended(project: Path, site: Site, job: Job) -> Job:
    """The job once its script has told RELION, or once the scheduler no longer knows the job."""
    give_up = time.monotonic() + WAIT
    pause = 0.1
    gone_since: float | None = None
    while True:
        (job,) = look(project, site, [job.name]).jobs
        now = time.monotonic()
        if job.status != "Running":
            return job
        if job.queue and (job.queued is None or job.queue.has_ended(job.queued)):
            gone_since = gone_since or now
            if now - gone_since > GRACE:
                return job
        elif now > give_up:
            raise SubmitError(
                f"{job.name} was cancelled, but has not ended within {WAIT} s: check it again "
                "later with `relion-dispatch status`."
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 2)
