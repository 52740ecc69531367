"""A job of ``status`` as the row of a table, and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ..jobs.status import JobStatus
from ..units import duration, moment
from .text_table import text_table

__all__ = ["HEADS", "as_row", "as_table", "clock_of", "colour_of", "reason_of"]

# What is known of few jobs: without a job that has it, the column is left out.
_OF_FEW = ("run", "min each", "ends about")
HEADS = (
    "job", "RELION", "run", "state", "id", "node", "ranks x GPUs", "image", "iteration", "min each",
    "time", "ends about", "reason",
)  # fmt: skip
_NONE = "-"
_CLOCKS_DIFFER = timedelta(hours=1)  # what begins later, nobody can have waited for
_COLOURS = {
    "Running": "bold green", "Waiting": "yellow", "Scheduled": "cyan", "Failed": "bold red",
    "Aborted": "magenta",
}  # fmt: skip


def as_row(status: JobStatus, now: datetime) -> tuple[str, ...]:
    """The job as a row under HEADS; `now` is this machine's time."""
    ranks = None if status["nproc"] is None else f"{status['nproc']} x {status['ngpu']}"
    seconds = status["seconds"]
    took = None if seconds is None else str(timedelta(seconds=seconds))
    running = status["relion"] == "Running"
    iteration = status["iteration"]
    of = "" if status["iterations"] is None else f" of {status['iterations']}"
    cells = (
        status["job"],
        status["relion"],
        _run(status),
        status["state"] if running else None,
        status["job_id"],
        status["node"],
        ranks,
        status["image"],
        None if iteration is None else f"{iteration}{of}",
        _minutes(status["minutes_per_iteration"]),
        status["run_time"] if running else took,
        clock_of(status["expected_end"], now),
        reason_of(status, now) or None,
    )
    return tuple(_NONE if cell is None else str(cell) for cell in cells)


def as_table(jobs: Sequence[JobStatus]) -> str:
    """The jobs as a table without colours and of any width: for a pipe."""
    now = datetime.now()
    rows = [as_row(job, now) for job in jobs]
    empty = {HEADS.index(head) for head in _OF_FEW} - {
        at for row in rows for at, cell in enumerate(row) if cell != _NONE
    }
    return text_table(
        [[cell for at, cell in enumerate(row) if at not in empty] for row in (HEADS, *rows)]
    )


def colour_of(status: JobStatus) -> str:
    """The colour of RELION's word for the job, as rich names it; "" for none."""
    return _COLOURS.get("Waiting" if status["waiting_since"] else status["relion"], "")


def reason_of(status: JobStatus, now: datetime) -> str:
    """Why the job failed; or since when it waits, and why; or what is wrong with its record."""
    reason, says = status["reason"] or "", status["waits_for"]
    if not status["waiting_since"]:
        return reason
    begin = _local(status["waiting_since"])
    since = ""
    if begin and begin - now < _CLOCKS_DIFFER:
        since = f" since {moment(begin, now)} ({duration((now - begin).total_seconds())})"
    to_go_on = f" to go on with run {status['next_run']}" if status["next_run"] else ""
    if says and says == reason:  # a clause by itself, on another job of this machine
        return f"waits{since}{reason.removeprefix('waits')}"
    said = f"{says} ({reason})" if says and reason else says or reason
    return f"waits{to_go_on}{since}{f': {said}' if said else ''}"


def _run(status: JobStatus) -> str | None:
    """Which run of a job that went on is its last one up to now."""
    runs = status["runs"]
    return str(runs[-1]["run"]) if runs and runs[-1]["run"] > 1 else None


def _minutes(minutes: float | None) -> str | None:
    if minutes is None:
        return None
    return "<0.1" if minutes < 0.1 else f"{minutes:.1f}"


def clock_of(time: str | None, now: datetime) -> str | None:
    """A time of a record as this machine's clock shows it; None for what is no time."""
    found = _local(time)
    return moment(found, now) if found else None


def _local(time: str | None) -> datetime | None:
    """A time of a record on this machine's clock; None for what is no time."""
    try:
        return datetime.fromisoformat(time or "").astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None
