"""Why does a job wait? The scheduler's reason in plain words, by the table of its file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..config.scheduler import Scheduler, filled

__all__ = ["in_plain_words", "read_reasons"]

_MOST = 3  # reasons of one job


def in_plain_words(scheduler: Scheduler, reason: str, job_id: str) -> str | None:
    """What the scheduler's reason means, and what helps; None for one that its file does not know.

    >>> waits = {"^NoShip(?:: (?P<ship>.+))?": "{ship} is at sea: ask for {job_id} at the pier"}
    >>> in_plain_words(Scheduler(submit_command=["board"], waits=waits), "NoShip: Ada", "17")
    'Ada is at sea: ask for 17 at the pier'
    """
    for pattern, says in scheduler.waits.items():
        if found := re.search(pattern, reason):
            groups = {name: text or "" for name, text in found.groupdict().items()}
            return filled([says], **{**groups, "job_id": job_id})[0]
    return None


def read_reasons(scheduler: Scheduler, printed: str) -> str:
    """The reasons in what the wait command printed, each once; "" if there are none.

    >>> board = Scheduler(submit_command=["board"], wait_pattern="^why: (?P<reason>.*)$")
    >>> read_reasons(board, "ship: Ada\\nwhy: no wind\\nwhy: no wind\\nwhy: no sail\\n")
    'no wind; no sail'
    """
    pattern = scheduler.wait_pattern or "(?P<reason>(?!))"
    found = re.finditer(pattern, printed, re.MULTILINE)
    return _joined(list(dict.fromkeys(each["reason"].strip() for each in found)))


def _joined(reasons: Sequence[str]) -> str:
    more = len(reasons) - _MOST
    return "; ".join([*reasons[:_MOST], *([f"and {more} more reasons"] if more > 0 else [])])
