"""What ends a run from outside, so that its job may go on, and how do sentences put it?"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["CAUSES", "MEMORIES", "OF_SCHEDULERS", "Cause", "InWords"]

Cause = Literal["time_limit", "preemption", "lost_node", "gpu_memory", "host_memory"]


class InWords(NamedTuple):
    """A cause in the three places that a sentence has for it.

    Attributes:
        survived: what a job goes on after.
        ended: a clause on the one run that it ended.
        counted: behind a number of runs that it ended.
    """

    survived: str
    ended: str
    counted: str


# run.out has a clause of its own: `cut_in_words` of the job script's library.
CAUSES: dict[Cause, InWords] = {
    "time_limit": InWords("its time limit", "its time was over", "at a time limit"),
    "preemption": InWords("preemption", "it was preempted", "after a preemption"),
    "lost_node": InWords(
        "the loss of its node",
        "it was lost, or its machine was switched off",
        "after the loss of a node",
    ),
    "gpu_memory": InWords("a full GPU", "a GPU ran out of memory", "after a full GPU"),
    "host_memory": InWords("full memory", "the memory of the node ran out", "after full memory"),
}

# After these a job goes on if jobs of its scheduler can; after full memories, by its own script.
OF_SCHEDULERS: tuple[Cause, ...] = ("time_limit", "preemption", "lost_node")
MEMORIES: tuple[Cause, ...] = ("gpu_memory", "host_memory")
