"""Why did a job fail, in a clause that many jobs share? The sentence in its record tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..config.endings import Ending
from ..config.scheduler import Scheduler

__all__ = ["OTHER", "REFUSED", "advice_of", "cause_of"]

OTHER = "another reason, which its run.err says"
REFUSED = "relion-dispatch refused the submission"
_BECAUSE = re.compile(r"[,;] because (?P<rest>.+)", re.DOTALL)
_STATUS = re.compile(r"relion_[a-z0-9_]{1,60} ended with status [0-9]{1,3}\b")


def cause_of(sentence: str | None, known: Mapping[str, str]) -> str:
    """The clause that follows "because", if it is one of the `known` ones, or names a program of
    RELION's and its exit status; else OTHER, because a sentence may name people's files.

    >>> cause_of("It failed after 0:01:00, because it was tired: rest.", {"it was tired": "rest"})
    'it was tired'
    >>> cause_of("The job failed after 0:01:00, because relion_refine ended with status 1: x.", {})
    'relion_refine ended with status 1'
    """
    found = _BECAUSE.search(sentence or "")
    if found is None:
        return OTHER
    clause = found["rest"].partition(": ")[0]
    if clause in known:
        return clause
    ended = _STATUS.match(found["rest"])
    return ended[0] if ended else OTHER


def advice_of(endings: Iterable[Ending], schedulers: Iterable[Scheduler]) -> dict[str, str]:
    """The advice for each cause that the site's files know, by the cause."""
    known = {OTHER: "read the end of its run.err"}
    sentences = [ending.sentence for ending in endings]
    for scheduler in schedulers:
        sentences += [*scheduler.ends.values(), *scheduler.ends_of_own_templates.values()]
        sentences.append(scheduler.unknown_end)
    for sentence in sentences:
        cause, _, advice = sentence.partition(": ")
        known.setdefault(cause, advice)
    return known
