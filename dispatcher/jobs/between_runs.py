"""Is a job between two of its runs, and can the next one be started by hand?"""

from __future__ import annotations

import os

from .hook_process import is_being_submitted
from .job import Job
from .run_names import claim_link

__all__ = ["next_run", "waits_for_resume", "what_was_cut"]


def next_run(job: Job) -> int | None:
    """The number of the run for which a job waits that ran before; None if it does not wait.

    The scheduler starts a job again only after the run before has ended, or was lost.
    """
    if job.status != "Running" or job.record is None or not job.record.runs:
        return None
    if job.record.goes_on_after is None:
        return None
    waits = job.queue is not None and job.queued is not None and job.queue.is_pending(job.queued)
    is_between = waits or job.record.runs[-1].went_on or _is_cut(job)
    return job.record.next_number if is_between else None


def waits_for_resume(job: Job) -> bool:
    """Whether the job was cut, and its user is to start its next run (``relion-dispatch resume``):
    RELION is not told then that it failed. A job that was aborted meanwhile does not wait.
    """
    return _is_cut(job) and not job.wants_abort


def _is_cut(job: Job) -> bool:
    """Whether the job's last run was cut, as by a switched-off machine, and nothing but this user
    can have the next one started.

    A job with a queue of its own is either in that queue or lost.
    """
    record = job.record
    if job.status != "Running" or record is None or record.refused is not None:
        return False
    if job.scheduler is None or not job.scheduler.detached or job.queue is None or job.living:
        return False
    if "lost_node" not in (record.goes_on_after or ()) or not job.is_sealed:
        return False
    if record.job_id is None and is_being_submitted(record.hook, job.folder):
        return False
    claim = claim_link(job.folder, job.token, record.next_number)
    return job.is_this_users and not os.path.lexists(claim)


def what_was_cut(job: Job) -> str:
    """A clause on a job that was cut, and what to do."""
    runs = job.record.runs if job.record else ()
    what = f"its run {runs[-1].number}" if len(runs) > 1 else "it"
    host = f" on {runs[-1].host}" if runs and runs[-1].host else ""
    return (
        f"{what} was cut{host}: go on with `relion-dispatch resume {job.name}`, or leave "
        "`relion-dispatch watch` running"
    )
