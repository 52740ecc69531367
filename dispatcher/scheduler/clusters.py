"""On which cluster of a scheduler is a job, and how do the scheduler's commands say so?

Each cluster has a queue of its own, and gives ids of its own. What a command needs to ask the right
one are the options at its end, called `where` here: of the cluster that the scheduler has named for
the job, else those of the submit command, which may name several.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..config.scheduler import Scheduler, filled

__all__ = ["is_cluster", "names_one", "options_in", "where_is"]

_CLUSTER = re.compile(r"\w[\w.-]{0,199}", re.ASCII)


def is_cluster(text: str | None) -> bool:
    """Whether a scheduler may have a cluster of this name, which becomes a part of an option.

    >>> [is_cluster(text) for text in ("gpu-land.2", "-M", "a,b", "", None)]
    [True, False, False, False, False]
    """
    return text is not None and _CLUSTER.fullmatch(text) is not None


def where_is(
    scheduler: Scheduler, cluster: str | None, submit_command: Sequence[str]
) -> tuple[str, ...]:
    """The options by which commands find a job, given its cluster (None or "" if nobody has named
    it) and the command that submitted it."""
    if cluster and scheduler.cluster_options:
        return tuple(filled(scheduler.cluster_options, cluster=cluster))
    return options_in(scheduler, submit_command)


def options_in(scheduler: Scheduler, submit_command: Sequence[str]) -> tuple[str, ...]:
    """The options of a submit command that each of the scheduler's commands needs.

    >>> ferry = Scheduler(submit_command=["board"], refused_options=["--port(?:=.*)?", "-P.*"])
    >>> options_in(ferry, ["board", "--quick", "--port=far", "-P", "north", "job.sh"])
    ('--port=far', '-P', 'north')
    """
    found: list[str] = []
    is_value = False
    for word in submit_command:
        is_option = any(re.fullmatch(each, word) for each in scheduler.refused_options)
        if is_option or (is_value and not word.startswith("-")):
            found.append(word)
        is_value = is_option and re.fullmatch(r"-\w|--[^=\s]+", word) is not None
    return tuple(found)


def names_one(where: Sequence[str]) -> bool:
    """Whether the options lead to one cluster alone, where an id is that of one job.

    >>> [names_one(each) for each in ((), ("-M", "far"), ("--port=a,b",), ("--port=all",))]
    [True, True, False, False]
    """
    return not any("," in word or re.search(r"(^|[= ])all$", word) for word in where)
