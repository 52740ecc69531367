"""Times of a row that cannot be are not known; which part of them does a report cover?"""

from __future__ import annotations

from ..jobs.runs import Run, moment_of
from .job_row import EarlierRun, JobRow

__all__ = ["by_right_clocks", "within"]

_SLACK = 120  # seconds by which the clocks of two machines may differ
_DAY = 24 * 3600  # seconds
_YEAR = 366 * _DAY


def by_right_clocks(row: JobRow, now: float) -> JobRow:
    """The row without times that cannot be: to come, before the submission, a run of more than a
    year, or of more than twice the time that was asked for and a day (the accounting may know
    better: an admin can give a job more time)."""
    submitted, started, seconds, ended = row.submitted, row.started, row.seconds, row.ended
    latest = now + _SLACK
    if submitted is not None and submitted > latest:
        submitted = None
    if started is not None and not (submitted or 0) - _SLACK <= started <= latest:
        started = None
    if ended is not None and ended > latest:
        ended = None
    if seconds and (started is None or started + seconds > latest or seconds > _most_seconds(row)):
        seconds = None
    earlier = tuple(_right(run, row, submitted or 0, latest) for run in row.earlier)
    noted = tuple(_possible(run, submitted or 0, latest) for run in row.noted_runs)
    return row._replace(
        submitted=submitted, started=started, seconds=seconds, ended=ended, earlier=earlier,
        noted_runs=noted,
    )  # fmt: skip


def _possible(run: Run, submitted: float, latest: float) -> Run:
    """The run without times that cannot be."""
    first = submitted - _SLACK
    started, ended = moment_of(run.started), moment_of(run.ended)
    if started is not None and first <= started <= latest:
        first = started
    else:
        run = run._replace(started=None)
    return run if ended is not None and first <= ended <= latest else run._replace(ended=None)


def _right(run: EarlierRun, row: JobRow, submitted: float, latest: float) -> EarlierRun:
    if run.started is None or run.seconds is None:
        return run._replace(seconds=None)
    can_be = submitted - _SLACK <= run.started and run.started + run.seconds <= latest
    most = _most_seconds(row._replace(accounted=False))
    return run if can_be and run.seconds <= most else run._replace(started=None, seconds=None)


def _most_seconds(row: JobRow) -> float:
    if row.asked_seconds is None or row.accounted:
        return _YEAR
    return min(_YEAR, 2 * row.asked_seconds + _DAY)


def within(row: JobRow, since: float) -> JobRow | None:
    """The row with the seconds that it ran before `since` marked; None if it had ended by then.

    A job of which nobody tells whether it has ended counts if it was submitted since then.
    """
    if not since:
        return row
    ran_until = None
    if row.started is not None and row.seconds is not None:
        ran_until = row.started + row.seconds
    if row.outcome not in ("running", "waiting"):
        ended = next(
            (each for each in (ran_until, row.ended, row.submitted) if each is not None), since
        )
        if ended < since:
            return None
    earlier = tuple(
        run._replace(before=_before(run.started, run.seconds, since)) for run in row.earlier
    )
    return row._replace(before=_before(row.started, row.seconds, since), earlier=earlier)


def _before(started: float | None, seconds: float | None, since: float) -> float:
    """Of the seconds that a run took, those before `since`."""
    if started is None or seconds is None:
        return 0
    return min(seconds, max(0, since - started))
