"""Find jobs that have vanished and tell RELION so; finish what a killed hook left undone."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..config.site import Site
from ..errors import WriteError
from ..relion.exit_files import End, look_again
from ..scheduler.calls import ask_end, try_call
from ..scheduler.own_templates import of_own_template
from .abort import how_aborted
from .between_runs import next_run, waits_for_resume
from .claim import give_up, is_claimed
from .hook_process import HookProcess, hook_at_work, is_being_submitted
from .job import Job
from .left_overs import remove_left_overs
from .notes import write_job_id
from .project_jobs import ProjectJobs, look
from .queued_ahead import is_stuck, whose_turn
from .record import RECORD
from .runs import moment_of
from .sealed_script import write_anew
from .tell import tell
from .watcher import WATCHER, submit_watcher

__all__ = ["is_lost", "mend", "refresh_and_report_lost"]

GRACE = 5  # seconds in which a job's last files may still be on their way


def refresh_and_report_lost(
    project: Path, site: Site, names: Collection[str] | None = None
) -> tuple[ProjectJobs, list[str]]:
    """The project's jobs, and a sentence for each job whose end RELION was told just now.

    A job that seems lost is checked twice, some seconds apart. If RELION cannot be told, the
    sentence says so.

    Raises:
        InputError: the project has no pipeline, or it cannot be read.
    """
    found = look(project, site, names)
    mend(found.jobs, project)
    lost = {(job.name, job.token) for job in found.jobs if is_lost(job)}
    if not lost:
        return found, []
    time.sleep(GRACE)
    for name, _ in lost:
        look_again(project / name)
    found = look(project, site, names)
    still_lost = [job for job in found.jobs if (job.name, job.token) in lost and is_lost(job)]
    told = list(_tell_lost(still_lost, project))
    return (look(project, site, names) if still_lost else found), told


def is_lost(job: Job) -> bool:
    """Whether the job runs for RELION, and neither a scheduler nor a hook knows of it.

    Not so if the job was cut and can go on.
    """
    if job.status != "Running" or not job.is_this_users or waits_for_resume(job):
        return False
    if job.record is None:
        hook = hook_at_work(job.folder) or HookProcess(None, None)
        return not is_being_submitted(hook, job.folder) and _is_in_no_queue(job)
    if job.record.refused is not None:
        return not is_being_submitted(job.record.hook, job.folder)
    if job.queue is None or not job.token or (job.living and not is_stuck(job)):
        return False
    return job.record.job_id is not None or not is_being_submitted(job.record.hook, job.folder)


def _is_in_no_queue(job: Job) -> bool:
    """Whether no queue has a job of the record that seems to be an earlier run's.

    A wrong clock, or a script that was copied or touched, makes a record seem so. And a job whose
    record cannot be read may run: then the answer is no.
    """
    if job.last_record is None:
        return not os.path.lexists(job.folder / RECORD)
    if job.queue is None:
        return not (job.scheduler and job.scheduler.queue_command)
    return not job.living


def _tell_lost(jobs: Sequence[Job], project: Path) -> Iterator[str]:
    for job in jobs:
        sentence = _why(job, project)
        if sentence is None:
            continue
        if job.token:  # what may still be on its way to the queue
            give_up(job.folder, job.token, job.record.next_number if job.record else 1)
        end: End = "ABORTED" if job.wants_abort else "FAILURE"
        try:
            if not tell(job.folder, job.errfile, end, sentence, job.token):
                continue
        except WriteError as error:
            yield f"{job.name}: {error}"
            continue
        for each in reversed(job.to_cancel):  # next runs, which would find nothing to do
            assert job.scheduler
            try_call(job.scheduler, job.cancel_command(each), project)
        remove_left_overs(job)
        yield f"{job.name}: {sentence}"


def _why(job: Job, project: Path) -> str | None:
    """Why RELION is told now; None if the scheduler says that the job has not ended."""
    if job.record is None:
        return (
            "The job was never submitted, because relion-dispatch ended before the submission: "
            "submit the job again."
        )
    if job.record.refused is not None:
        return job.record.refused
    in_line = whose_turn(job.record)
    job_id = in_line[-1] if in_line else job.queued.job_id if job.queued else job.record.job_id
    if job_id is None and not is_claimed(job.folder, job.token):
        return (
            "relion-dispatch ended while it submitted the job, and the queue does not have the "
            "job: submit the job again."
        )
    assert job.scheduler
    scheduler = of_own_template(job.scheduler) if job.record.own_template else job.scheduler
    where = job.queue.where_is(job.queued) if job.queue and job.queued else job.where
    why = ask_end(
        scheduler, str(job_id or ""), project, where, moment_of(job.record.dispatched) or 0
    )
    if why and (number := next_run(job)):
        if job.wants_abort:
            return f"The job was {how_aborted(job.folder)} while it waited to go on."
        return f"The job was to go on with run {number}, but the scheduler has lost it: {why}."
    return why and f"The job ended before its script could report the end, because {why}."


def mend(jobs: Sequence[Job], project: Path) -> None:
    """Finish what hooks that were killed left, and cancel jobs that RELION was told are over.

    Watchers that are missing are submitted, and ids of jobs are noted. What does not succeed is
    left to the next look.
    """
    for job in jobs:
        if not (job.queue and job.queued and job.record and job.scheduler):
            continue
        if job.record.refused is not None:
            for each in job.to_cancel:
                try_call(job.scheduler, job.cancel_command(each), project)
            continue
        marked = [each for each in job.living if each.token]
        if not marked or is_being_submitted(job.record.hook, job.folder):
            continue
        job_id, where = marked[0].job_id, job.queue.where_is(marked[0])
        with suppress(WriteError):
            # Of a job that has started, its claim tells the id, but not the cluster.
            of_killed_hook = job.record.written.get("job_id") is None
            if job.record.job_id is None or (of_killed_hook and marked[0].cluster):
                write_job_id(job.folder, job.token, job_id, marked[0].cluster)
            lacks_watcher = job.scheduler.watcher and not job.record.has_watcher
            script = job.folder / WATCHER
            if lacks_watcher and job.own and write_anew(script, job.record.watcher_script):
                *_, last = (job_id, *job.record.jobs_in_line)
                submit_watcher(project, job.name, job.scheduler, last, job.token, where)
