"""Which checks are there, in which order, and of whose facts does each need what?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from .asked import HERE, Asked
from .checks import cards, container, folders, machine, queue, ranks
from .facts import Facts
from .finding import Finding, not_so_far, skipped

__all__ = ["CHECKS", "Task", "findings"]

# What a job of the doctor does; "queue" has what this side sees of the first one.
Task = Literal["queue", "everything", "nodes", "cancelled", "warned"]


class Check(NamedTuple):
    """A question, with the fact without which it cannot be answered ("" for none)."""

    name: str
    task: Task
    needs: str
    judge: Callable[[Facts, Asked], Iterator[Finding]]


CHECKS = (
    Check("start", "queue", "", queue.start),
    Check("token", "queue", "job_id", queue.token),
    Check("clean job", "everything", "inherited", queue.inherited),
    Check("node", "everything", "cores", machine.node),
    Check("limits", "everything", "stack", machine.limits),
    Check("clock", "everything", "offset", machine.clock),
    Check("project", "everything", "met", folders.project),
    Check("locks", "everything", "lock_status", folders.locks),
    Check("links", "everything", "second_claim", folders.links),
    Check("scratch", "everything", "scratch", folders.scratch),
    Check("container", "everything", "apptainer", container.container),
    Check("image", "everything", "apptainer", container.image),
    Check("binds", "everything", "start_seconds", container.binds),
    Check("GPUs", "everything", "apptainer", cards.cards),
    Check("GPU mode", "everything", "card", cards.mode),
    Check("driver", "everything", "card", cards.driver),
    Check("kernels", "everything", "kernels_compiled", cards.kernels),
    Check("MPS", "everything", "apptainer", cards.mps),
    Check("two ranks", "everything", "apptainer", ranks.on_one_node),
    Check("two nodes", "nodes", "ranks_on_nodes_said", ranks.on_nodes),
    Check("accounting", "queue", "job_id", queue.accounting),
    Check("warning", "warned", "begun", queue.warned),
    Check("watcher", "cancelled", "", queue.watcher),
)

# Nothing to ask on this machine itself.
_OF_JOBS = {"token", "clean job", "clock", "accounting"}
_NOT_THERE = {
    "binds",
    "GPU mode",
    "driver",
    "kernels",
}  # nothing to say where something before them failed


def _not_run(facts: Facts) -> str:
    """Why the job of one check did not run, a sentence; "" if it did."""
    if refused := facts["refused"]:
        return f"Its job was not submitted. {refused}"
    if "not_started" in facts:
        why = f" ({facts['not_started']})" if facts["not_started"] else ""
        return f"Its job did not start in {facts['waited']} s{why}, and was cancelled."
    return ""


def findings(answers: Mapping[Task, Facts], asked: Asked) -> Iterator[Finding]:
    """What the checks say, in their order; of a job that never ran only that."""
    queue_facts = answers.get("queue", Facts())
    never_ran = "refused" in queue_facts or "not_started" in queue_facts
    for check in CHECKS:
        facts = answers.get(check.task)
        if asked.place == HERE and check.name in _OF_JOBS:
            continue
        if facts is None or (never_ran and check.name != "start"):
            continue
        if check.task not in ("queue", "everything") and (why := _not_run(facts)):
            yield skipped(why)._replace(check=check.name)
            continue
        if check.needs and check.needs not in facts:
            if check.name not in _NOT_THERE:
                yield not_so_far()._replace(check=check.name)
            continue
        for finding in check.judge(facts, asked):
            yield finding._replace(check=check.name)
