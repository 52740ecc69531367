"""The jobs of a report as a table for spreadsheets: CSV, a line for each job."""

from __future__ import annotations

import csv
import time
from io import StringIO

from ..printable import printable
from .job_row import JobRow, hours_of

__all__ = ["HEADS", "line"]

HEADS = (
    "user", "project", "job", "type", "version", "partition", "job_id", "outcome", "cause",
    "submitted", "waited_seconds", "run_seconds", "gpus", "gpu_hours", "wasted_gpu_hours",
    "mean_utilisation_percent", "mps", "asked_seconds", "asked_gpus", "asked_bytes", "peak_bytes",
    "by_accounting", "runs",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # by which a spreadsheet knows one


def line(row: JobRow | None) -> str:
    """The job's line, or the heads of the columns, with its end. What is not known is empty."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        HEADS if row is None else map(_cell, _cells(row))
    )
    return text.getvalue()


def _cells(row: JobRow) -> tuple[object, ...]:
    wasted = sum(hours for use, hours in hours_of(row) if use in ("failed", "idle", "little_used"))
    mean = round(sum(row.means) / len(row.means), 1) if row.means else None
    hours = row.gpu_hours
    return (
        row.user, row.project, row.job, row.type, row.version, row.partition, row.job_id,
        row.outcome, row.cause, _utc(row.submitted), _whole(row.waited), _whole(row.ran),
        row.gpus, None if hours is None else round(hours, 4),
        None if hours is None else round(wasted, 4), mean, "yes" if row.mps else "no",
        row.asked_seconds, row.asked_gpus, row.asked_bytes, row.peak_bytes,
        "yes" if row.accounted else "no", max(1, len(row.noted_runs)),
    )  # fmt: skip


def _cell(value: object) -> str:
    """The value as text that no spreadsheet takes for a formula.

    >>> _cell("=1+1"), _cell(-1), _cell(None)
    ("'=1+1", '-1', '')
    """
    if not isinstance(value, str):
        return "" if value is None else str(value)
    shown = printable(value)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _utc(moment: float | None) -> str | None:
    return None if moment is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
