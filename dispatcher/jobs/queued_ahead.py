"""Next runs that wait in the queue behind a job from its submission on, each behind the one before.

They are copies of the job's script, with its token: to a queue they are the same job, and what is
asked of the queue for the job finds them all. ``JOB/.dispatch_line.TOKEN`` has their ids, in their
order, behind that of the job (notes.py). The script's part is ``library/queued_ahead.sh``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.goes_on import MOST_AHEAD
from ..config.scheduler import Scheduler, filled
from ..errors import DispatchError, SubmitError
from ..relion.submission import SUBMISSION
from ..scheduler.clusters import where_is
from ..scheduler.submit import submit_without_retry
from ..units import count
from . import entries
from .job import Job
from .notes import write_line
from .record import Record
from .sealed_script import write_anew

__all__ = ["FirstInLine", "is_stuck", "queue_ahead", "wanted_ahead", "whose_turn"]


class FirstInLine(NamedTuple):
    """A job behind which others wait: its id, the words that submitted it, its cluster if it is
    known, and the digest of its script."""

    job_id: str
    submit_command: Sequence[str]
    cluster: str | None
    job_script: str | None


def queue_ahead(
    project: Path, name: str, scheduler: Scheduler, first: FirstInLine, token: str, number: int
) -> tuple[list[str], str | None]:
    """Submit so many next runs behind a job, each behind the one before, and note the line.

    Returns:
        The ids in the line, that of the job first; and why there are fewer than wanted, if so:
        the job runs without them as well.

    Raises:
        WriteError: the note beside the job cannot be written.
    """
    line = [first.job_id]
    if number == 0 or scheduler.next_run is None:
        return line, None
    *command, script = first.submit_command
    where, script_name = where_is(scheduler, first.cluster, ()), f"{SUBMISSION}.run"
    as_argument = scheduler.script_as == "argument"
    while len(line) <= number:
        values = {"job_id": line[-1], "name": name, "token": token}
        options = filled(scheduler.next_run.options, **values)
        argv = [*command, *options, *where, script, *(line[-1:] if as_argument else ())]
        try:
            if not write_anew(project / name / script_name, first.job_script):
                raise SubmitError(f"{name}/{script_name} is not the script that was submitted")
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
