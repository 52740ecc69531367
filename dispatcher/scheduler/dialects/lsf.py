"""The answers of LSF 10.1: its queue command prints JSON whose values are all texts."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from ...config.scheduler import Scheduler
from ..answers import QueuedJob

__all__ = ["read_jobs"]

_TOKEN = re.compile(r"relion-dispatch:([0-9a-f]{12})\b")
_ISO = "%Y-%m-%dT%H:%M:%S"
_DAY = 24 * 3600  # seconds by which clocks may differ
_VALUE = re.compile(r'"([A-Z_]+)"\s*:\s*"(.*?)"\s*(?=[,}\n])')


def read_jobs(scheduler: Scheduler, printed: str) -> Iterator[QueuedJob]:
    """The user's jobs. Lines before the object, such as a warning, are passed over."""
    for record in _records(printed[max(0, printed.find("{")) :]):
        if "JOBID" not in record:
            continue
        token = _TOKEN.fullmatch(record.get("JOB_DESCRIPTION", ""))
        yield QueuedJob(
            record["JOBID"],
            record.get("STAT", ""),
            token[1] if token else "",
            node=_nodes(record.get("EXEC_HOST", "")),
            reason=record.get("PEND_REASON", ""),
            time=_clock(record.get("RUN_TIME", "")),
            since=_time(record.get("SUBMIT_TIME", ""), time.time()),
        )


def _records(printed: str) -> Iterator[Mapping[str, str]]:
    try:
        records = json.loads(printed, strict=False)["RECORDS"]
        yield from ({name: str(value) for name, value in each.items()} for each in records)
        return
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass  # a value with a sign that JSON does not allow: each record begins with its id
    record: dict[str, str] = {}
    for name, value in _VALUE.findall(printed):
        if name == "JOBID" and record:
            yield record
            record = {}
        record[name] = value
    yield record


def _nodes(text: str) -> str:
    """``8*n1:8*n2`` in words: n1, n2."""
    return ", ".join(
        dict.fromkeys(each.rpartition("*")[2] for each in text.split(":") if each != "-")
    )


def _clock(text: str) -> str:
    """``3600 second(s)`` as ``1:00:00``."""
    found = re.match(r"(\d+) second", text)
    if not found:
        return ""
    total = int(found[1])
    return f"{total // 3600}:{total // 60 % 60:02}:{total % 60:02}"


def _time(text: str, now: float) -> str:
    """``Nov 28 22:24`` as ``2026-11-28T22:24:00``; "" for what is no time.

    A year is printed at some sites only: without one the time is not after `now` (seconds since
    1970).
    """
    if len(text.split()) == 3:
        year = time.localtime(now).tm_year
        found = _time(f"{text} {year}", now)
        is_late = found and time.mktime(time.strptime(found, _ISO)) > now + _DAY
        return _time(f"{text} {year - 1}", now) if is_late else found
    clock = "%H:%M:%S" if text.count(":") == 2 else "%H:%M"
    with suppress(ValueError):
        return time.strftime(_ISO, time.strptime(text, f"%b %d {clock} %Y"))
    return ""
