"""Complete rows by the scheduler's accounting, whose figures go before those of the record."""

from __future__ import annotations

import pwd
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from ..config.scheduler import Scheduler
from ..scheduler.dialect import dialect
from ..scheduler.usage import Usage, ask_usage
from .causes import cause_of
from .job_row import JobRow, Outcome
from .record_row import Source

__all__ = ["Asked", "completed"]

AT_ONCE = 500  # jobs that one call is asked about
_DAY = 24 * 3600  # seconds between the two times of one submission, whatever the clocks
_Place = tuple[str, tuple[str, ...]]  # a scheduler's name, and the options to its cluster


@dataclass
class Asked:
    """How many jobs the accounting of each place did not tell of: it did not answer at all, or it
    did not know them."""

    silent: Counter[_Place] = field(default_factory=Counter)
    unknown: Counter[_Place] = field(default_factory=Counter)


def completed(rows: Iterable[JobRow], source: Source, asked: Asked) -> Iterator[JobRow]:
    """The rows, with what the accounting of their schedulers knows of them; some time later.

    Jobs are asked about many at a time. A cluster whose accounting does not answer is not asked
    again.
    """
    waiting: dict[_Place, list[JobRow]] = {}
    for row in rows:
        if not _can_be_asked(row, source.schedulers.get(row.scheduler)):
            yield row
            continue
        place = (row.scheduler, row.where)
        batch = waiting.setdefault(place, [])
        batch.append(row)
        if len(batch) == AT_ONCE or place in asked.silent:
            waiting[place] = []
            yield from _told(batch, place, source, asked)
    for place, batch in waiting.items():
        yield from _told(batch, place, source, asked)


def _can_be_asked(row: JobRow, scheduler: Scheduler | None) -> bool:
    if scheduler is None or not scheduler.usage_command:
        return False
    return row.job_id is not None and row.submitted is not None and row.outcome != "refused"


def _told(batch: list[JobRow], place: _Place, source: Source, asked: Asked) -> Iterator[JobRow]:
    name, where = place
    scheduler = source.schedulers[name]
    found = None
    if batch and place not in asked.silent:
        ids = list(dict.fromkeys(str(row.job_id) for row in batch))
        found = ask_usage(scheduler, ids, min(row.submitted or 0 for row in batch), where)
    if batch and found is None:
        asked.silent[place] += len(batch)
    for row in batch:
        usage = (found or {}).get(str(row.job_id))
        if usage is not None and _is_of(row, usage):
            yield _with(row, usage, scheduler, source.known)
            continue
        if found is not None:
            asked.unknown[place] += 1
        yield row


def _is_of(row: JobRow, usage: Usage) -> bool:
    """Whether the accounting's job is this one: ids come again."""
    if usage.submitted is None or row.submitted is None:
        return False
    # A job that its scheduler has put back into the queue was submitted anew, for its accounting.
    ends = (run.started + (run.seconds or 0) for run in row.earlier if run.started is not None)
    return any(abs(usage.submitted - each) < _DAY for each in (row.submitted, *ends))


def _with(row: JobRow, usage: Usage, scheduler: Scheduler, known: Mapping[str, str]) -> JobRow:
    outcome, cause = _end(row, usage, scheduler, known)
    over = outcome not in ("running", "waiting")
    never = over and usage.seconds == 0  # its start, if any, is when it was cancelled
    ran = not never and outcome != "waiting" and None not in (usage.started, usage.seconds)
    earlier = row.earlier
    if ran and usage.started is not None:  # of these runs the accounting has told as well
        earlier = tuple(run for run in earlier if (run.started or 0) < usage.started)
    return row._replace(
        partition=row.partition if "," in usage.partition else usage.partition or row.partition,
        submitted=row.submitted if row.earlier else usage.submitted,
        started=None if never else usage.started if ran else row.started,
        seconds=usage.seconds if ran or never else row.seconds,
        gpus=row.gpus if usage.gpus is None else usage.gpus,
        peak_bytes=usage.peak_bytes,
        outcome=outcome,
        cause=cause,
        accounted=ran or never,
        earlier=earlier,
    )


@lru_cache(256)
def _numbers_of(user: str) -> tuple[int, ...]:
    """The user's number; empty if this machine does not know the user."""
    with suppress(KeyError, ValueError):
        return (pwd.getpwnam(user).pw_uid,)
    return ()


def _end(
    row: JobRow, usage: Usage, scheduler: Scheduler, known: Mapping[str, str]
) -> tuple[Outcome, str | None]:
    """How the job ended: as its record says, else as the accounting does, in the same words as for
    a job that is lost."""
    cancelled = row.cancelled or usage.cancelled_by in _numbers_of(row.user)
    if usage.state == "CANCELLED" and cancelled and row.outcome in ("unknown", "failed"):
        return "aborted", None
    texts = (*scheduler.alive, *scheduler.ends)
    text = next((each for each in texts if each.endswith(f"={usage.state}")), None)
    if row.outcome != "unknown" or not usage.state or text is None:
        return row.outcome, row.cause
    if usage.state in scheduler.pending:
        return "waiting", None
    sentence = dialect(scheduler).read_end(scheduler, text)
    if sentence is None:
        return "running", None
    if text in scheduler.ends_of_own_templates:  # its script came to its end, and told nothing
        return "unknown", None
    return "failed", cause_of(f"It ended, because {sentence}", known)
