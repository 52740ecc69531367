"""What do the nodes look like on which a job may run?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from ..config.partition import kinds
from ..config.scheduler import Scheduler
from ..config.site import Partition, Site

__all__ = ["NodeShape", "node_shapes"]


class NodeShape(NamedTuple):
    """The nodes that a job may get.

    Attributes:
        shape: of each; if the job runs on this machine, with what the machine tells of itself.
        name: in sentences.
        partition: None for the scheduler's own choice.
        kind: of its nodes, "" if they are all alike.
        described: what the site says of these nodes, and nothing else.
        is_this_machine: there are no others, and no scheduler counts what the job takes.
        gpus_counted: the GPUs are those that this machine shows; nobody has described them.
        among_gpus: these nodes have no GPUs, and others of the partition do.
        field: of RELION's window, in which somebody has typed the partition; "" if nobody has.
        job_type: the job type for which the site has chosen the partition; "" if the queue in
            RELION's window decides, or this machine is all there is.
    """

    shape: Partition
    name: str
    partition: str | None = None
    kind: str = ""
    described: Partition = Partition()
    is_this_machine: bool = False
    gpus_counted: bool = False
    among_gpus: bool = False
    job_type: str = ""
    field: str = ""

    def elsewhere(self, which: str) -> str:
        """How a job gets to other nodes: "a {} with GPUs" -> "choose a queue with GPUs"."""
        if self.is_this_machine:
            return f"choose {which.format('machine')}"
        if self.field:
            return f'write {which.format("partition")} into "{self.field}"'
        if not self.job_type:
            return f"choose {which.format('queue')}"
        return (
            f'ask your admin for {which.format("partition")} for job type "{self.job_type}" '
            "(job_parameters in site.json)"
        )

    @property
    def title(self) -> str:
        """The partition, also if the site does not describe it, and its kind of nodes."""
        return f"partition {self.partition}" + (f" ({self.kind})" if self.kind else "")


def node_shapes(
    partition: str | None,
    site: Site,
    here: Partition | None,
    scheduler: Scheduler,
    job_type: str = "",
    field: str = "",
) -> Iterator[NodeShape]:
    """Each kind of nodes of that partition; `here` is this machine, if the job runs on it.

    `job_type` and `field` are as in NodeShape.

    What the site describes goes before what the machine tells.
    """
    found = site.partitions.get(partition or "")
    if found is None:
        name = "this machine" if here else "the partition"
        yield _with_what_is_here(
            NodeShape(Partition(), name, partition, job_type=job_type, field=field), here
        )
        return
    every = kinds(found, types_are_asked_for=scheduler.can_ask_for("gpu_type"))
    has_gpus = any(each.gpus != 0 for each in every)
    for number, each in enumerate(every, 1):
        kind = each.gpu_type or each.constraint or f"nodes {number}" if found.nodes else ""
        node = NodeShape(each, "", partition, kind, each, job_type=job_type, field=field)
        node = node._replace(among_gpus=has_gpus and each.gpus == 0)
        yield _with_what_is_here(node._replace(name=node.title), here)


def _with_what_is_here(node: NodeShape, here: Partition | None) -> NodeShape:
    if here is None:
        return node
    told = {
        key: getattr(here, key)
        for key in ("cores", "memory", "gpus")
        if getattr(node.shape, key) is None
    }
    return node._replace(
        shape=replace(node.shape, **told),
        is_this_machine=True,
        gpus_counted="gpus" in told,
    )
