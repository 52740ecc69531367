"""How ranks can be spread evenly over nodes and GPUs: every layout that RELION takes, best first.

RELION's rules (relion_refine_mpi, ml_optimiser_mpi.cpp:795, 5.0.1): one leader that uses no GPU,
and an odd number of ranks, at least 3, for split half sets. As many followers on each GPU as on any
other, and as many on each node: an unevenly filled node makes ranks straddle two GPUs and hold
their references twice (ml_optimiser_mpi.cpp:277), and the fullest GPU keeps all others waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Layout", "layouts", "least_per_gpu"]


class Layout(NamedTuple):
    """``nproc`` ranks on ``nodes`` nodes, ``ranks_per_gpu`` on each of ``gpus`` GPUs per node.

    ``gpus`` and ``ranks_per_gpu`` are 0 for ranks on CPUs; the idle leader is in ``nproc`` only.
    """

    nproc: int
    nodes: int
    gpus: int
    ranks_per_gpu: int

    @property
    def on_fullest_node(self) -> int:
        """Ranks on the node that has most, the leader's."""
        return -(-self.nproc // self.nodes)


def layouts(
    *,
    wanted: int,
    nodes: int = 1,
    gpus: int = 0,
    most_per_gpu: int | None = None,
    idle_leader: bool = True,
    split_halves: bool = False,
) -> Iterator[Layout]:
    """Layouts of at most ``wanted`` ranks, MPI needed, best first, down to the least that works.

    All nodes before fewer, then all GPUs before fewer (``gpus`` per node), then as many followers
    on each as ``most_per_gpu`` allows; without GPUs simply as many ranks as possible.
    """
    if gpus < 1:
        for nproc in range(wanted, 2 if split_halves else idle_leader, -1):
            if not split_halves or nproc % 2:
                yield Layout(nproc, min(nodes, nproc), 0, 0)
        return
    followers = wanted - idle_leader
    for over in range(nodes, 0, -1):
        for used in range(gpus, 0, -1):
            each = followers // (over * used)
            if most_per_gpu is not None:
                each = min(each, most_per_gpu)
            for on_gpu in range(each, 0, -1):
                spread = over * used * on_gpu
                if not split_halves or spread % 2 == 0:
                    yield Layout(spread + idle_leader, over, used, on_gpu)


def least_per_gpu(nodes: int, gpus: int, split_halves: bool) -> int:
    """The fewest followers on a GPU with which all of RELION's rules can be kept.

    A single GPU has to hold both half sets.
    """
    return 2 if split_halves and nodes * gpus == 1 else 1
