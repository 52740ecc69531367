"""The answers of OpenPBS and PBS Professional: the queue command prints JSON.

Seen in OpenPBS 23.06.06: what looks like a number is printed as one, so that ``0123`` becomes
``123`` and ``1e23`` may become ``null``; a list without jobs has no "Jobs". Older versions print
JSON that cannot be read for odd values, so each job is also found by the names of its lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...config.scheduler import Scheduler
from ..answers import QueuedJob

__all__ = ["read_jobs"]

_TOKEN = re.compile(r"relion-dispatch:([0-9a-f]{12})\b")
_HEAD = re.compile(r'^\s*"(\d+(?:\[\d*\])?\.[^"\s]+)"\s*:\s*\{\s*$', re.MULTILINE)
_LINE = r'^\s*"{}"\s*:\s*"?(.*?)"?,?\s*$'


def read_jobs(scheduler: Scheduler, printed: str) -> Iterator[QueuedJob]:
    """The user's jobs."""
    try:
        jobs = json.loads(printed, strict=False).get("Jobs", {})
    except (ValueError, AttributeError, RecursionError):
        yield from _by_line(printed)
        return
    for job_id, job in jobs.items():
        used = job.get("resources_used", {})
        variables = job.get("Variable_List", {})
        token = _TOKEN.search(str(variables.get("RELION_DISPATCH")))
        yield QueuedJob(
            job_id,
            str(job.get("job_state", "")),
            token[1] if token else "",
            node=_nodes(job),
            reason=str(job.get("comment", "")),
            time=str(used.get("walltime", "")),
        )


def _nodes(job: Mapping[str, Any]) -> str:
    """``n1/0*8+n2/0*8`` in words: n1, n2."""
    places = str(job.get("exec_host", "")).split("+")
    return ", ".join(dict.fromkeys(place.partition("/")[0] for place in places))


def _by_line(printed: str) -> Iterator[QueuedJob]:
    """The jobs of an output that is no JSON: each begins with its id, and has a value per line."""
    heads = list(_HEAD.finditer(printed))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        text = printed[head.end() : following.start() if following else len(printed)]
        used = text.partition('"job_state"')[0]  # what the job asks for comes later
        places = {"job_state": text, "comment": text, "exec_host": text, "walltime": used}
        values = {
            name: found[1]
            for name, place in places.items()
            if (found := re.search(_LINE.format(name), place, re.MULTILINE))
        }
        token = _TOKEN.search(text)
        yield QueuedJob(
            head[1],
            values.get("job_state", ""),
            token[1] if token else "",
            node=_nodes(values),
            reason=values.get("comment", ""),
            time=values.get("walltime", ""),
        )
