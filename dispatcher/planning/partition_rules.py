"""May a job run on a partition? What the site says of the jobs that it takes, beside their memory.

A job that may not goes on to its next partition, and is refused if there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..errors import DoesNotFit
from ..units import bytes_of, count, gibibytes, seconds_of
from .node_shape import NodeShape
from .resources import Resources
from .unplaced_job import UnplacedJob

__all__ = ["see_that_it_may_run"]


def see_that_it_may_run(job: UnplacedJob, node: NodeShape, settled: Resources) -> None:
    """Look at the rules of the partition, and at the nodes and GPUs that the job type asks for.

    Raises:
        DoesNotFit: naming the rule, and what the job has.
    """
    rules = (
        _whose(job, node),
        _how_large(job, node, settled),
        _which_nodes(job, node, settled),
    )
    for why in _as_typed(job, node):
        less = "ask for less, or another type, in RELION's window"
        raise DoesNotFit(f"{why}: {less}, or {node.elsewhere('another {}')}.")
    for why in chain(*rules):
        raise DoesNotFit(f"{why}: {node.elsewhere('another {}')}.")


def _whose(job: UnplacedJob, node: NodeShape) -> Iterator[str]:
    takes, submitter = node.shape.takes, job.request.submitter
    by_user, by_group = takes.users, takes.groups
    allowed = (by_user and submitter.user in by_user) or (
        by_group and not submitter.groups.isdisjoint(by_group)
    )
    if (by_user or by_group) and not allowed and not submitter.made_up:
        yield f"{_named(node)} takes jobs of {', '.join([*by_user, *by_group])} alone (takes)"


def _how_large(job: UnplacedJob, node: NodeShape, settled: Resources) -> Iterator[str]:
    takes, refinement = node.shape.takes, job.refinement
    if job.request.submitter.made_up:
        refinement = None
    for key, bounds, has, what in (
        ("box", takes.box, refinement.box if refinement else None, "pixels"),
        ("ranks", takes.ranks, settled.nproc, "ranks"),
        ("gpus", takes.gpus, settled.ngpu, "GPUs of a node"),
        ("nodes", takes.nodes, settled.nodes, "nodes"),
    ):
        least, most = bounds or (None, None)
        if has is None or (least or 0) <= has <= (has if most is None else most):
            continue
        wanted = f"at least {least}" if most is None else f"at most {most}"
        if least and most is not None:
            wanted = f"{least} to {most}"
        box = "boxes of " if key == "box" else ""
        yield f"{_named(node)} takes jobs with {box}{wanted} {what}, not {has} (takes.{key})"
    most = node.shape.gpus_per_job
    if most is not None and settled.ngpu > most:
        yield f"{_named(node)} gives a job {count(most, 'GPU')} at most, not {settled.ngpu}"


def _which_nodes(job: UnplacedJob, node: NodeShape, settled: Resources) -> Iterator[str]:
    parameters, shape = job.job_type.parameters, node.shape
    for key, has, what in (
        ("gpu_type", shape.gpu_type if settled.ngpu else None, "GPUs of type"),
        ("constraint", shape.constraint, "nodes with the feature"),
    ):
        wanted = parameters.get(key)
        if wanted and has and wanted != has:
            who = "RELION's window" if key in job.wishes.parameters else "The job type"
            yield f"{who} asks for {what} {wanted}, and {node.name} has {has}"


def _as_typed(job: UnplacedJob, node: NodeShape) -> Iterator[str]:
    """What somebody has typed holds, or the job does not run: nothing less is taken for it."""
    typed, described = job.wishes.parameters, node.described
    asks = "RELION's window asks for"
    ngpu, gpus, kind = typed.get("ngpu"), node.shape.gpus, typed.get("gpu_type")
    if ngpu and gpus is not None and ngpu > gpus:
        yield f"{asks} {count(ngpu, 'GPU')}, and {node.name} has {gpus or 'none'}"
    if kind and gpus == 0:
        yield f"{asks} GPUs of type {kind}, and {node.name} has none"
    can_ask = job.scheduler.can_ask_for("gpu_type") and not job.scheduler.detached
    if kind and not can_ask and not described.gpu_type:
        yield f"{asks} GPUs of type {kind}, which {node.name} is not known to have"
    time, most = (seconds_of(str(each)) for each in (typed.get("time"), described.time))
    if time is not None and most is not None and time > most:
        yield f"{asks} {typed['time']}, and {node.name} gives a job {described.time} at most"
    memory, has = bytes_of(typed.get("mem"), "mem"), bytes_of(node.shape.memory, "partition")
    if memory and has is not None and memory > has:
        yield f"{asks} {gibibytes(memory)} of memory, and {node.name} has {gibibytes(has)}"


def _named(node: NodeShape) -> str:
    return node.name[:1].upper() + node.name[1:]
