"""What do the nodes look like on which a job may run?"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..config.site import Partition, Site

__all__ = ["NodeShape", "node_shape"]


class NodeShape(NamedTuple):
    """The nodes that a job may get.

    Attributes:
        shape: of each; if the job runs on this machine, with what the machine tells of itself.
        name: in sentences.
        is_this_machine: there are no others, and no scheduler counts what the job takes.
        gpus_counted: the GPUs are those that this machine shows; nobody has described them.
        job_type: the job type for which the site has chosen the partition; "" if the queue in
            RELION's window decides, or this machine is all there is.
    """

    shape: Partition
    name: str
    is_this_machine: bool = False
    gpus_counted: bool = False
    job_type: str = ""

    def elsewhere(self, which: str) -> str:
        """How a job gets to other nodes: "a {} with GPUs" -> "choose a queue with GPUs"."""
        if self.is_this_machine:
            return f"choose {which.format('machine')}"
        if not self.job_type:
            return f"choose {which.format('queue')}"
        return (
            f'ask your admin for {which.format("partition")} for job type "{self.job_type}" '
            "(job_parameters in site.json)"
        )


def node_shape(
    partition: str | None, site: Site, here: Partition | None, job_type: str = ""
) -> NodeShape:
    """The nodes of that partition; `here` is this machine, if the job runs on this machine.

    `job_type` is as in NodeShape.

    What the site describes goes before what the machine tells.
    """
    described = site.partitions.get(partition or "")
    shape = described or Partition()
    name = f"partition {partition}" if described else "the partition"
    if here is None:
        return NodeShape(shape, name, job_type=job_type)
    told = {
        key: getattr(here, key)
        for key in ("cores", "memory", "gpus")
        if getattr(shape, key) is None
    }
    name = name if described else "this machine"
    return NodeShape(replace(shape, **told), name, True, "gpus" in told)
