"""The answers of Grid Engine: its queue command prints XML, with a block for each job.

The blocks are read as text: an answer that breaks off, or has signs which XML forbids, is no reason
to know nothing of the jobs before. Without its last line it is no answer, as jobs may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from html import unescape

from ...config.scheduler import Scheduler
from ..answers import QueuedJob

__all__ = ["read_jobs"]

_JOB = re.compile(r"<job_list\b.*?</job_list>", re.DOTALL)
_VALUE = re.compile(r"<(\w+)>([^<]*)</\1>")
_TOKEN = re.compile(r"\.([0-9a-f]{12})\Z")
_END = "</job_info>"


def read_jobs(scheduler: Scheduler, printed: str) -> list[QueuedJob] | None:
    """The user's jobs, none of which has ended; None if that is no answer."""
    return list(_jobs(printed)) if printed.rstrip().endswith(_END) else None


def _jobs(printed: str) -> Iterator[QueuedJob]:
    for block in _JOB.findall(printed):
        values = {name: unescape(value) for name, value in _VALUE.findall(block)}
        token = _TOKEN.search(values.get("JB_name", ""))
        yield QueuedJob(
            values.get("JB_job_number", ""),
            values.get("state", ""),
            token[1] if token else "",
            node=values.get("queue_name", "").partition("@")[2],
            reason="in error: qstat -j tells why" if "E" in values.get("state", "") else "",
            time=_since(values.get("JAT_start_time", "")),
            since=values.get("JB_submission_time", ""),
        )


def _since(began: str) -> str:
    """How long ago that is, as ``1:00:00``; the master's clock and zone are this machine's."""
    try:
        seconds = int((datetime.now() - datetime.fromisoformat(began)).total_seconds())
    except (ValueError, TypeError):  # none, or with a zone
        return ""
    return f"{max(seconds, 0) // 3600}:{max(seconds, 0) // 60 % 60:02}:{max(seconds, 0) % 60:02}"
