"""The host memory that the scheduler is asked for: what the site says, and what the job needs."""

from __future__ import annotations

import re
from typing import Any

from ..memory.host_memory import HostMemory
from ..sentences import gigabytes

__all__ = ["memory_request"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(([KMGT])(?:i?B)?)", re.IGNORECASE)
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def memory_request(
    configured: Any, need: HostMemory | None, node: int | None
) -> tuple[Any, list[str]]:
    """The job's ``mem``, and a sentence where something was decided.

    What is `configured` is raised to what the job needs, and lowered to what the `node` has (bytes;
    None where it is not known), in the unit in which it was written. None, ``0``, and any number
    without a unit stay as they are: what they mean is the scheduler's.
    """
    needs = (
        f"A node needs {gigabytes(need.total)} of host memory ({need.described()})" if need else ""
    )
    size = _SIZE.fullmatch(configured.strip()) if isinstance(configured, str) else None
    if size is None:
        return configured, [f"{needs}."] if need else []
    unit = _UNITS[size[3].upper()]
    asked = float(size[1]) * unit
    if need and need.total > asked:
        asked = -(-need.total // unit) * unit
    if node is not None and node < asked:
        asked = node // unit * unit
    request = f"{int(asked // unit)}{size[2]}"
    if asked == float(size[1]) * unit:
        return configured, [f"{needs}, within the job's {configured}."] if need else []
    if need and need.total > float(size[1]) * unit:
        return request, [f"{needs}: {request} are asked for, not {configured}."]
    few = f"{request} of host memory instead of {configured}: a node of the partition has no more"
    return request, [f"{few}."]
