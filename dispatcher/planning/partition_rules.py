"""May a job run on a partition? What the site says of the jobs that it takes, beside their memory.

A job that may not goes on to its next partition, and is refused if there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..errors import DoesNotFit
from ..units import count
from .node_shape import NodeShape
from .resources import Resources
from .unplaced_job import UnplacedJob

__all__ = ["see_that_it_may_run"]


def see_that_it_may_run(job: UnplacedJob, node: NodeShape, settled: Resources) -> None:
    """Look at the rules of the partition, and at the nodes and GPUs that the job type asks for.

    Raises:
        DoesNotFit: naming the rule, and what the job has.
    """
    rules = (_whose(job, node), _how_large(job, node, settled), _which_nodes(job, node, settled))
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
            yield f"The job type asks for {what} {wanted}, and {node.name} has {has}"


def _named(node: NodeShape) -> str:
    return node.name[:1].upper() + node.name[1:]
