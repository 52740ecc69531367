"""The host memory that the scheduler is asked for: what the site says, and what the job needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..memory.host_memory import HostMemory
from ..units import count, gibibytes, read_size

__all__ = ["MemoryAsked", "memory_asked", "memory_request"]


class MemoryAsked(NamedTuple):
    """How much memory a job asks the scheduler for, and for what.

    Attributes:
        per: "node", "core" or "rank"; or "none" if the job asks for no memory.
        each: so much for each of them, in words; None for none.
        number: how many there are on a node.
        mebibytes: `each` in MiB; None if its words name no unit.
    """

    per: str
    each: Any
    number: int = 1
    mebibytes: int | None = None

    @property
    def reason(self) -> str:
        """Why not so much for a node; "" if it is."""
        if self.per == "none":
            return 'No memory is asked for, as "memory_per" of the scheduler says.'
        if self.per == "node":
            return ""
        return f"The scheduler is asked for {self.each} for each of {count(self.number, self.per)}."


def memory_asked(
    parameters: Mapping[str, Any], per: str, nproc: int, nthread: int, nodes: int
) -> MemoryAsked:
    """The job's ``mem``, which is of a node, as the scheduler wants to hear it.

    What names no unit is for a node in any case: only the scheduler knows what it means.
    """
    mem = parameters.get("mem")
    if per == "none" or mem is None:
        return MemoryAsked(per, None)
    size = read_size(mem) if isinstance(mem, str) else None
    if size is None or size.unit == 1:
        return MemoryAsked("node", mem)
    bytes_asked = int(size.number * size.unit)
    if per == "node":
        return MemoryAsked(per, mem, 1, bytes_asked >> 20)
    ranks = -(-int(parameters.get("nproc_slurm", nproc)) // nodes)
    cores = ranks * int(parameters.get("nthread_slurm", nthread))
    number = ranks if per == "rank" else cores
    each = max(1, (bytes_asked >> 20) // number)
    return MemoryAsked(per, f"{each}M", number, each)


def memory_request(
    configured: Any,
    need: HostMemory | None,
    node: int | None,
    ranks: int = 0,
    each: int = 0,
    learned: int = 0,
) -> tuple[Any, list[str]]:
    """The job's ``mem``, and a sentence if something was decided.

    What is `configured` is raised to what the job needs. If that is not known, it is raised to what
    the job type has for the `ranks` of a node, `each` in bytes. It is raised to what an earlier run
    of the job went on with (`learned`, bytes), and lowered to what the `node` has (bytes; None if
    not known), in the unit in which it was written. None, ``0``, and any
    number without a unit stay as they are: only the scheduler knows what they mean.
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
    elif not need and ranks * each > asked:
        asked = -(-ranks * each // unit) * unit
    why = f"{count(ranks, 'rank')} with {gibibytes(each)} each (mem_per_rank)"
    if keeps := learned > asked:
        asked = -(-learned // unit) * unit
        why = "with less, an earlier run of this job filled it"
    if node is not None and node < asked:
        asked = node // unit * unit
        why = "a node of the partition does not have more"
    request = f"{int(asked // unit)}{size.name}"
    if asked == wish:
        return configured, [f"{needs}, within the job's {configured}."] if need else []
    if need and need.total > wish and not keeps:
        return request, [f"{needs}: the job asks for {request} instead of {configured}."]
    return request, [f"{request} of host memory instead of {configured}: {why}."]
