"""What do the nodes look like on which a job may run?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from ..config.site import Partition, Site
from ..units import bytes_of, count, gigabytes, read_size

__all__ = ["NodeShape", "node_shape", "ranks_in_memory"]


class NodeShape(NamedTuple):
    """The nodes that a job may get.

    Attributes:
        shape: of each; if the job runs on this machine, with what the machine tells of itself.
        name: in sentences.
        is_this_machine: there are no others, and no scheduler counts what the job takes.
        gpus_counted: the GPUs are those that this machine shows; nobody has described them.
    """

    shape: Partition
    name: str
    is_this_machine: bool = False
    gpus_counted: bool = False


def node_shape(partition: str | None, site: Site, here: Partition | None) -> NodeShape:
    """The nodes of that partition; `here` is this machine, if the job runs on this machine.

    What the site describes goes before what the machine tells.
    """
    described = site.partitions.get(partition or "")
    shape = described or Partition()
    name = f"partition {partition}" if described else "the partition"
    if here is None:
        return NodeShape(shape, name)
    told = {
        key: getattr(here, key)
        for key in ("cores", "memory", "gpus")
        if getattr(shape, key) is None
    }
    name = name if described else "this machine"
    return NodeShape(replace(shape, **told), name, True, "gpus" in told)


def ranks_in_memory(node: NodeShape, nproc: int, mem: Any) -> tuple[int, list[str]]:
    """How many of a program's ranks this machine's memory holds, and a sentence if not all.

    For programs whose memory is not computed: `mem` is what their job type asks for with ``nproc``
    ranks, and each rank is taken to need an equal part of it; None sets no limit. On a cluster the
    scheduler sees to memory.
    """
    size = read_size(mem) if isinstance(mem, str) else None
    memory = bytes_of(node.shape.memory, "partition")
    if not node.is_this_machine or nproc == 1 or memory is None or size is None or size.unit == 1:
        return nproc, []
    room = max(1, int(memory * nproc // (size.number * size.unit))) if size.number else nproc
    if room >= nproc:
        return nproc, []
    return room, [
        f"{count(room, 'rank')} instead of {nproc}: the job type has {mem} of memory for {nproc} "
        f"ranks, and this machine has {gigabytes(memory)}."
    ]
