"""Start the next run of a job by hand: its last one was cut, and no scheduler starts another.

A machine that was switched off has lost a `local` job, and a scheduler may have lost one of its
own. The job's script is the same as before; it sees by the records of the runs where to go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..config.site import Site
from ..errors import DispatchError, InputError, SubmitError
from ..relion.exit_files import STATES
from ..scheduler.calls import ask_end
from .between_runs import waits_for_resume
from .hook_process import is_being_submitted
from .job import Job
from .last_seen import LEASE_OVER, seconds_silent
from .progress import newest_optimiser
from .project_jobs import look
from .run_names import claim_link
from .runs import moment_of
from .start_run import start_next_run

__all__ = ["resume", "resume_cut"]


def resume(project: Path, site: Site, name: str) -> str:
    """Start the job's next run; a sentence that says how it was started.

    Raises:
        InputError: the job cannot go on, or need not.
        SubmitError: the scheduler does not answer, or does not take the job.
        WriteError: the job's folder cannot be written.
    """
    (job,) = look(project, site, [name]).jobs
    _refuse_ended(job)
    _refuse_unknown(job)
    _refuse_living(job, project)
    silent = seconds_silent(job)
    if silent is not None and silent < LEASE_OVER:
        raise InputError(
            f"{name} may still run: its run {job.record.newest if job.record else 1} was there "
            f"{silent:.0f} s ago. Try again in {LEASE_OVER - silent:.0f} s."
        )
    return start_next_run(project, job)


def resume_cut(project: Path, jobs: list[Job]) -> Iterator[str]:
    """Start the next run of the jobs that nothing else starts; a sentence for each."""
    for job in jobs:
        if not waits_for_resume(job):
            continue
        try:
            silent = seconds_silent(job)
            if silent is None or silent >= LEASE_OVER:
                yield start_next_run(project, job)
        except DispatchError as error:
            yield f"{job.name}: {error}"


def _refuse_ended(job: Job) -> None:
    if job.status in STATES.values():
        todo = "" if job.status == "Succeeded" else f": {_continue(job)}"
        raise InputError(f"{job.name} has ended, and RELION knows it ({job.status}){todo}.")
    if job.status != "Running":
        raise InputError(f"{job.name} is not running (RELION's status of the job: {job.status}).")
    if job.elsewhere == "ended":
        raise InputError(f"{job.name} has ended, and RELION is about to see it.")
    if job.wants_abort:
        raise InputError(
            f"{job.name} does not go on, because it is to be aborted: `relion-dispatch cancel "
            f"{job.name}` ends the job."
        )


def _continue(job: Job) -> str:
    """How RELION's user continues the job, which RELION takes for another submission."""
    optimiser = newest_optimiser(job.folder)
    where = f" from {job.name}/{optimiser}" if optimiser else ""
    return f"continue the job in RELION{where}"


def _refuse_unknown(job: Job) -> None:
    """Refuse what is not this user's own job, as this user's hook submitted it."""
    record = job.record
    if record is None:
        what = job.problem or "this site's relion-dispatch did not submit it"
        raise InputError(f"{job.name} cannot go on here: {what.rstrip('.')}.")
    if record.refused is not None:
        raise InputError(f"{job.name} was never submitted: {record.refused}")
    if record.goes_on_after is None:
        raise InputError(
            f'{job.name} does not go on, because it was submitted without "goes_on": run '
            f"`relion-dispatch status`, which tells RELION if it was lost, and {_continue(job)}."
        )
    if not job.is_this_users:
        raise InputError(f"{job.name} was submitted by {record.user}: ask {record.user}.")
    if job.other_host:
        raise InputError(f"{job.name} ran on {job.other_host}, and can go on only there.")
    if job.scheduler is None:
        raise InputError(
            f"{job.name} cannot go on, because site.json no longer has its scheduler "
            f"{record.scheduler}: mark the job as failed in RELION, and {_continue(job)}."
        )
    if not job.is_sealed or record.job_script is None:
        raise InputError(
            f"{job.name} cannot go on, because its record was not written here by your own "
            "relion-dispatch (the project was moved or copied, or it is an earlier version's): "
            f"mark the job as failed in RELION, and {_continue(job)}."
        )


def _refuse_living(job: Job, project: Path) -> None:
    """Refuse what the scheduler has, or may have."""
    record = job.record
    assert record
    assert job.scheduler
    if record.job_id is None and is_being_submitted(record.hook, job.folder):
        raise InputError(f"{job.name} is being submitted.")
    if job.queue is None:
        raise SubmitError(
            f"{job.name} was not started again, because its scheduler does not answer whether it "
            "has the job: try again later."
        )
    if job.living:
        queued = job.living[0]
        does = "waits in the queue" if job.queue.is_pending(queued) else "runs"
        raise InputError(f"{job.name} {does} (job {queued.job_id}): it need not be started.")
    if os.path.lexists(claim_link(job.folder, job.token, record.next_number)):
        raise InputError(
            f"{job.name} does not go on, because its submission was given up: "
            "`relion-dispatch status` tells RELION."
        )
    if not job.scheduler.detached and record.job_id is not None:
        since = moment_of(record.dispatched) or 0
        if ask_end(job.scheduler, record.job_id, project, job.where, since) is None:
            raise InputError(
                f"{job.name} was not started again, because its scheduler does not say that job "
                f"{record.job_id} has ended: try again later."
            )
