"""What the scheduler is asked for in host memory."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.memory.host_memory import HostMemory
from dispatcher.planning.memory_request import memory_request

GIB = 2**30


def needing(size: int) -> HostMemory:
    """A job that needs `size` bytes on a node."""
    return HostMemory(1, size - 4_000_000_000, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("configured", "need", "node", "request_"),
    [
        ("120G", 60 * GIB, None, "120G"),  # the site's word is a floor
        ("120G", 120 * GIB, None, "120G"),
        ("120G", 120 * GIB + 1, None, "121G"),
        ("120gb", 200 * GIB, None, "200gb"),  # PBS writes it so
        ("0.5T", 700 * GIB, None, "1T"),
        ("120000M", 150 * GIB, 500 * GIB, "153600M"),
        ("120G", 60 * GIB, 96 * GIB, "96G"),  # no node has more
        ("120G", None, 96 * GIB, "96G"),
        ("16G", 95 * GIB + 5, 96 * GIB - 5, "95G"),
        ("0", 60 * GIB, 96 * GIB, "0"),  # Slurm: all of the node's
        (64000, 60 * GIB, 96 * GIB, 64000),  # megabytes to Slurm, bytes to PBS
        (None, 60 * GIB, 96 * GIB, None),
    ],
)
def test_memory_that_is_asked_for(
    configured: Any, need: int | None, node: int | None, request_: Any
) -> None:
    asked, reasons = memory_request(configured, None if need is None else needing(need), node)

    assert asked == request_
    assert len(reasons) == (0 if need is None and asked == configured else 1)


def test_the_sentence_has_the_numbers() -> None:
    _, (kept,) = memory_request("120G", needing(40_000_000_000), None)
    _, (raised,) = memory_request("16G", needing(40_000_000_000), None)
    _, (lowered,) = memory_request("120G", None, 96 * GIB)

    assert kept.startswith("A node needs 37.3 GiB of host memory (3.7 GiB in any case, ")
    assert kept.endswith(", within the job's 120G.")
    assert raised.endswith(": the job asks for 38G instead of 16G.")
    assert lowered == (
        "96G of host memory instead of 120G: a node of the partition does not have more."
    )
