"""The host memory that the scheduler is asked for: what the site says, and what the job needs."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..config.site import Partition
from ..memory.host_memory import HostMemory
from ..units import bytes_of, gibibytes, read_size
from .resources import Resources

__all__ = ["NodesPart", "memory_request", "part_of_node"]


class NodesPart(NamedTuple):
    """The bytes of a node's memory that go with a job's cores, and whose they are, in words."""

    memory: int
    beside: str


def part_of_node(shape: Partition, settled: Resources) -> NodesPart | None:
    """The part of a node's memory that is that of its cores; None if the node is not known."""
    memory = bytes_of(shape.memory, "partition")
    if memory is None or not shape.cores:
        return None
    cores = min(shape.cores, -(-settled.nproc // settled.nodes) * settled.nthread)
    beside = f"what goes with {cores} of the {shape.cores} cores of a node"
    return NodesPart(memory * cores // shape.cores, beside)


def memory_request(
    configured: Any, need: HostMemory | None, node: int | None, part: NodesPart | None = None
) -> tuple[Any, list[str]]:
    """The job's ``mem``, and a sentence if something was decided.

    What is `configured` is raised to what the job needs, or to its `part` of a node if the need is
    not known, and lowered to what the `node` has (bytes; None if not known), in the unit in which
    it was written. None, ``0``, and any number without a unit stay as they are: only the scheduler
    knows what they mean.
    """
    needs = (
        f"A node needs {gibibytes(need.total)} of host memory ({need.described()})" if need else ""
    )
    size = read_size(configured) if isinstance(configured, str) else None
    if size is None or size.unit == 1:
        return configured, [f"{needs}."] if need else []
    unit = size.unit
    wish = asked = size.number * unit
    if need and need.total > asked:
        asked = -(-need.total // unit) * unit
    elif part and not need and part.memory > asked:
        asked = part.memory // unit * unit
    if node is not None and node < asked:
        asked = node // unit * unit
    request = f"{int(asked // unit)}{size.name}"
    if asked == wish:
        return configured, [f"{needs}, within the job's {configured}."] if need else []
    if need and need.total > wish:
        return request, [f"{needs}: the job asks for {request} instead of {configured}."]
    why = part.beside if part and asked > wish else "a node of the partition does not have more"
    return request, [f"{request} of host memory instead of {configured}: {why}."]
