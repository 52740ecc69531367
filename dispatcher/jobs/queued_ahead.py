"""Next runs that wait in the queue behind a job from its submission on, each behind the one before.

They are copies of the job's script, with its token: to a queue they are the same job, and what is
asked of the queue for the job finds them all. ``JOB/.dispatch_line.TOKEN`` has their ids, in their
order, behind that of the job (notes.py). The script's part is ``library/queued_ahead.sh``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.goes_on import MOST_AHEAD
from ..config.scheduler import Scheduler, filled
from ..errors import DispatchError
from ..scheduler.clusters import where_is
from ..scheduler.submit import submit_without_retry
from ..units import count
from . import entries
from .job import Job
from .notes import write_line, write_watcher
from .record import Record
from .watcher import submit_watcher

__all__ = ["QueuedTo", "is_stuck", "submit_behind", "wanted_ahead", "whose_turn"]


class QueuedTo(NamedTuple):
    """A job in the queue: its id, the words that submitted it, and its cluster if it is known."""

    job_id: str
    submit_command: Sequence[str]
    cluster: str | None


def submit_behind(
    project: Path,
    name: str,
    scheduler: Scheduler,
    job: QueuedTo,
    token: str,
    ahead: int,
    no_watcher: str | None = "",
) -> Iterator[str]:
    """Submit what waits behind a job: so many of its next runs, and its watcher. The job runs
    without them as well: what there is not is yielded, and why.

    Args:
        no_watcher: why there can be no watcher; "" if there can be one, None if nobody is to know.

    Raises:
        WriteError: a note beside the job cannot be written.
    """
    line, fewer = _queue_ahead(project, name, scheduler, job, token, ahead)
    if fewer:
        yield fewer
    if scheduler.watcher is None or no_watcher is None:
        return
    if no_watcher:
        write_watcher(project / name, token, None, no_watcher)
    else:
        where = where_is(scheduler, job.cluster, job.submit_command)
        no_watcher = submit_watcher(project, name, scheduler, line[-1], token, where)
    if no_watcher:
        yield f"no watcher: {no_watcher}"


def _queue_ahead(
    project: Path, name: str, scheduler: Scheduler, job: QueuedTo, token: str, number: int
) -> tuple[list[str], str | None]:
    """Queue next runs; the ids in the line, the job's first, and why there are fewer if so."""
    line = [job.job_id]
    if number == 0 or scheduler.next_run is None:
        return line, None
    *command, script = job.submit_command
    where = where_is(scheduler, job.cluster, ())
    as_argument = scheduler.script_as == "argument"
    while len(line) <= number:
        values = {"job_id": line[-1], "name": name, "token": token}
        options = filled(scheduler.next_run.options, **values)
        argv = [*command, *options, *where, script, *(line[-1:] if as_argument else ())]
        try:
            line.append(submit_without_retry(scheduler, argv, project)[0])
        except DispatchError as error:
            had = f"{len(line) - 1} of {count(number, 'next run')} in the queue"
            return line, f"{had}, so the job goes on fewer times by itself: {error}"
        write_line(project / name, token, line)
    return line, None


def wanted_ahead(record: Record) -> int:
    """How many next runs were to be queued behind the job."""
    goes_on = entries.object_of(record.written, "goes_on") or {}
    return entries.number(goes_on, "queued_ahead", MOST_AHEAD) or 0


def whose_turn(record: Record) -> tuple[str, ...]:
    """The ids of those in the line that run, or are to run next: the job that has begun last, and
    the one behind it; or the first, if none has begun (as in the watcher's script).

    If a job that is not in the line has begun last, it is the first one's turn when that job has
    gone on, as `resume` has made the line then. Before that nobody can tell.
    """
    line = record.jobs_in_line
    if not record.runs:
        return line[:1]
    last = record.runs[-1]
    at = next((at for at, each in enumerate(line) if _is_same(each, last.job_id)), None)
    if at is None:
        return line[:1] if last.went_on else ()
    return line[at : at + 2]


def _is_same(printed: str, seen: str | None) -> bool:
    """Whether two ids are of one job: a submit command may print less of it than the job sees."""
    return seen is not None and (seen == printed or seen.startswith(f"{printed}."))


def is_stuck(job: Job) -> bool:
    """Whether next runs of the job are in the queue, and none of them is to compute: whose turn it
    was has left the queue without a run, as its user has cancelled it there."""
    turn = whose_turn(job.record) if job.record else ()
    living = [each.job_id for each in job.living]
    return bool(turn) and not any(_is_same(each, seen) for each in turn for seen in living)
