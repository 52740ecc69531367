"""Why does a job wait? The scheduler's reason in plain words, by the table of its file."""

from __future__ import annotations

import re
from collections import Counter

from ..config.scheduler import Scheduler, filled
from ..units import count

__all__ = ["in_plain_words", "read_reasons", "shown_reasons"]

_MOST = 3  # reasons of one job that are shown
_NAMES = re.compile('"[^"]*"')  # such as those of nodes, for which the same is said


def in_plain_words(scheduler: Scheduler, reason: str, job_id: str) -> str | None:
    """What the scheduler's reason means, and what helps; None for one that its file does not know.

    Of several reasons, each in a line, the one counts whose row comes first in the file.

    >>> waits = {"^NoShip(?:: (?P<ship>.+))?": "{ship} is at sea: ask for {job_id} at the pier"}
    >>> in_plain_words(Scheduler(submit_command=["board"], waits=waits), "NoShip: Ada", "17")
    'Ada is at sea: ask for 17 at the pier'
    """
    reasons = reason.split("\n")
    for pattern, says in scheduler.waits.items():
        if found := next(filter(None, (re.search(pattern, each) for each in reasons)), None):
            groups = {name: text or "" for name, text in found.groupdict().items()}
            return filled([says], **{**groups, "job_id": job_id})[0]
    return None


def read_reasons(scheduler: Scheduler, printed: str) -> str:
    """The reasons in what the wait command printed, a line for each; "" if there are none.

    >>> board = Scheduler(submit_command=["board"], wait_pattern="^why: (?P<reason>.*)$")
    >>> read_reasons(board, "ship: Ada\\nwhy: no wind\\nwhy: no wind\\nwhy: no sail\\n")
    'no wind\\nno sail'
    """
    pattern = scheduler.wait_pattern or "(?P<reason>(?!))"
    found = re.finditer(pattern, printed, re.MULTILINE)
    return "\n".join(dict.fromkeys(each["reason"].strip() for each in found))


def shown_reasons(reason: str) -> str:
    """A job's reasons in one line, cut short; what is said of several nodes stands there once.

    >>> shown_reasons('host "a" is full\\nhost "b" is full\\nhost "c" is full\\nno wind')
    'host "a" is full (and 2 like it); no wind'
    """
    alike = Counter(_NAMES.sub("", each) for each in reason.split("\n"))
    first = {_NAMES.sub("", each): each for each in reversed(reason.split("\n"))}
    said = [
        f"{first[kind]} (and {number - 1} like it)" if number > 1 else first[kind]
        for kind, number in alike.items()
    ]
    more = len(said) - _MOST
    return "; ".join([*said[:_MOST], *([f"and {count(more, 'more reason')}"] if more > 0 else [])])
