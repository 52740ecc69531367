"""The answers of OpenPBS and PBS Professional: the queue command prints a line of values per job.

Its JSON is not used. Seen in OpenPBS 23.06.06: of several ids that ``qstat -F json`` is given, the
output has the first job alone; and what looks like a number is printed as one, so that ``0123``
becomes ``123``, and ``1e2345`` ``null``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress

from ...config.scheduler import Scheduler
from ..answers import QueuedJob

__all__ = ["read_jobs"]

_HEAD = re.compile(r"^Job Id: (\S+) (.*)$", re.MULTILINE)
_BETWEEN = re.compile(r"(?<!\\) ")  # a blank in a value has a backslash before it
_TOKEN = re.compile(r"\bRELION_DISPATCH=relion-dispatch:([0-9a-f]{12})(?=,|$)")


def read_jobs(scheduler: Scheduler, printed: str) -> Iterator[QueuedJob]:
    """The user's jobs, of which ``qstat -f -F dsv -D ' '`` prints a line each."""
    for job_id, text in _HEAD.findall(printed):
        values = dict(word.partition("=")[::2] for word in _BETWEEN.split(text))
        token = _TOKEN.search(values.get("Variable_List", ""))
        yield QueuedJob(
            job_id,
            values.get("job_state", ""),
            token[1] if token else "",
            node=_nodes(values.get("exec_host", "")),
            reason=values.get("comment", "").replace("\\ ", " "),
            time=values.get("resources_used.walltime", ""),
            since=_time(values.get("ctime", "")),
        )


def _time(text: str) -> str:
    """``Sat\\ Nov\\ 28\\ 22:24:25\\ 2026`` as ``2026-11-28T22:24:25``."""
    with suppress(ValueError):
        found = time.strptime(text.replace("\\ ", " "), "%a %b %d %H:%M:%S %Y")
        return time.strftime("%Y-%m-%dT%H:%M:%S", found)
    return ""


def _nodes(places: str) -> str:
    """``n1/0*8+n2/0*8`` in words: n1, n2."""
    return ", ".join(dict.fromkeys(place.partition("/")[0] for place in places.split("+")))
