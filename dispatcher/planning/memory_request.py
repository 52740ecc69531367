"""The host memory that the scheduler is asked for: what the site says, and what the job needs."""

from __future__ import annotations

from typing import Any

from ..memory.host_memory import HostMemory
from ..units import count, gibibytes, read_size

__all__ = ["memory_request"]


def memory_request(
    configured: Any, need: HostMemory | None, node: int | None, ranks: int = 0, each: int = 0
) -> tuple[Any, list[str]]:
    """The job's ``mem``, and a sentence if something was decided.

    What is `configured` is raised to what the job needs. If that is not known, it is raised to what
    the job type has for the `ranks` of a node, `each` in bytes. It is lowered to what the `node`
    has (bytes; None if not known), in the unit in which it was written. None, ``0``, and any
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
    if node is not None and node < asked:
        asked = node // unit * unit
        why = "a node of the partition does not have more"
    request = f"{int(asked // unit)}{size.name}"
    if asked == wish:
        return configured, [f"{needs}, within the job's {configured}."] if need else []
    if need and need.total > wish:
        return request, [f"{needs}: the job asks for {request} instead of {configured}."]
    return request, [f"{request} of host memory instead of {configured}: {why}."]
