"""Ask a scheduler's accounting how long jobs ran, and on what: many jobs in one call."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ..config.scheduler import Scheduler, filled
from ..units import read_size, whole_number
from .calls import try_call

__all__ = ["Usage", "ask_usage"]

_TWO_DAYS = 2 * 24 * 3600  # seconds: whatever the clock, and the time zone, of the machine
_GPUS = re.compile(r"(?:^|,)gres/gpu(?P<kind>:[^=,]+)?=(?P<number>[0-9]{1,6})(?=,|$)", re.ASCII)


class Usage(NamedTuple):
    """What the accounting says of one job; None, or "", for what it does not say.

    Attributes:
        state: in the scheduler's own word.
        cancelled_by: the number of the user who cancelled it.
        partition: where it ran, or waits.
        submitted, started: seconds since 1970.
        seconds: how long it has run.
        gpus: how many it was given, on all its nodes; None also if the accounting counts no GPUs.
        peak_bytes: the most memory that one of its steps has held; None also if a step had several
            tasks, as the accounting tells the memory of its largest task alone.
    """

    state: str = ""
    cancelled_by: int | None = None
    partition: str = ""
    submitted: float | None = None
    started: float | None = None
    seconds: int | None = None
    gpus: int | None = None
    peak_bytes: int | None = None


def ask_usage(
    scheduler: Scheduler,
    job_ids: Sequence[str],
    since: float,
    where: tuple[str, ...] = (),
) -> dict[str, Usage] | None:
    """What the accounting knows of these jobs, by their ids; None if it does not answer, or if what
    it prints is nothing of the kind.

    `since` is when the first of them was submitted (seconds since 1970), and `where` the options
    that lead to their cluster.
    """
    begins = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(max(0, since - _TWO_DAYS)))
    values = {"job_ids": ",".join(job_ids), "since": begins}
    command = [*filled(scheduler.usage_command, **values), *where]
    done = try_call(scheduler, command, Path("/"))
    if done is None or done.status != 0:
        return None
    lines = done.stdout.splitlines()
    found = _read(scheduler.usage_columns, lines)
    return found if found or not any(map(str.strip, lines)) else None


def _read(columns: Sequence[str], lines: Iterable[str]) -> dict[str, Usage]:
    """The jobs of the lines. A job that a federation's clusters share has a line from each: the one
    that ran longest counts. A step's line, ``17.batch``, tells its memory alone.

    >>> found = _read(["id", "seconds", "peak_memory"], ["17|90|", "17.batch|90|2M", "17|0|"])
    >>> found["17"].seconds, found["17"].peak_bytes
    (90, 2097152)
    """
    found: dict[str, Usage] = {}
    peaks: dict[str, int] = {}
    of_several: set[str] = set()
    for row in _rows(columns, lines):
        job, _, step = row["id"].partition(".")
        if peak := read_size(row.get("peak_memory", "")):
            peaks[job] = max(peaks.get(job, 0), int(peak.number * peak.unit))
        if (_number(row.get("tasks", "")) or 1) > 1:
            of_several.add(job)
        if not step:
            usage = _usage(row)
            if job not in found or (usage.seconds or 0) > (found[job].seconds or 0):
                found[job] = usage
    for job in of_several:
        peaks.pop(job, None)
    return {job: usage._replace(peak_bytes=peaks.get(job)) for job, usage in found.items()}


def _rows(columns: Sequence[str], lines: Iterable[str]) -> Iterator[dict[str, str]]:
    for line in lines:
        cells = line.split("|")
        if len(cells) == len(columns):
            yield dict(zip(columns, cells, strict=True))


def _usage(row: dict[str, str]) -> Usage:
    state, _, by = row.get("state", "").partition(" by ")  # "CANCELLED by 1000"
    return Usage(
        state=state.partition(" ")[0],
        cancelled_by=_number(by),
        partition=row.get("partition", ""),
        submitted=_time(row.get("submitted", "")),
        started=_time(row.get("started", "")),
        seconds=_number(row.get("seconds", "")),
        gpus=_gpus(row.get("resources", "")),
    )


def _gpus(resources: str) -> int | None:
    """The GPUs of ``cpu=8,gres/gpu=2,gres/gpu:a100=2``; without the sum, that of the kinds.

    >>> _gpus("cpu=8,gres/gpu=2,gres/gpu:a100=2"), _gpus("gres/gpu:a=2,gres/gpu:b=1")
    (2, 3)
    >>> _gpus("cpu=8")
    """
    found = [(each["kind"], int(each["number"])) for each in _GPUS.finditer(resources)]
    in_all = [number for kind, number in found if not kind]
    return in_all[0] if in_all else sum(number for _, number in found) if found else None


def _time(text: str) -> float | None:
    """Seconds since 1970, or a local time, as ``2026-11-28T05:11:14``; None for "Unknown"."""
    number = _number(text)
    if number is not None:
        return float(number)
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(text).timestamp()
    return None


def _number(text: str) -> int | None:
    number = whole_number(text)
    return number if number is not None and number >= 0 else None
