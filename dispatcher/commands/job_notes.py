"""What is to be said of all the jobs of a scheduler, of a machine, or of another user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..jobs.job import Job
from ..jobs.record import closed_to_this_user
from ..units import count

__all__ = ["notes_on"]


def notes_on(jobs: Sequence[Job]) -> list[str]:
    """Sentences on schedulers that do not answer, and on what this user or machine cannot see."""
    running = [job for job in jobs if job.status == "Running"]
    silent = {
        f"{job.record.scheduler}{f' (cluster {at})' if (at := job.record.cluster) else ''}"
        for job in running
        if job.is_this_users and job.record and not job.queue
        if not job.other_host
    }
    elsewhere = {job.other_host for job in running if job.other_host}
    unread = (job.folder for job in jobs if job.record is None and job.problem)
    closed = Counter(filter(None, map(closed_to_this_user, unread)))
    return [
        *(
            f"The scheduler {name} does not answer now: the states of its jobs may be out of date."
            for name in sorted(silent)
        ),
        *(
            f"Jobs on {host} can only be seen there: run `relion-dispatch status` on {host}."
            for host in sorted(elsewhere)
        ),
        *(
            f"The records of {count(number, 'job')} of {owner} are closed to you, so only RELION's "
            f"state is shown of them: ask {owner} to run `chmod g+r` on dispatch.json there."
            for owner, number in sorted(closed.items())
        ),
    ]
