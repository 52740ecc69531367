"""How many ranks a job runs with, on how many of its GPUs, and with how many threads each.

What is wanted is a maximum; RELION's rules (`planning.layouts`), the GPUs' memory, the cores
and the host memory of a node bring it down. A pure decision: numbers in, numbers and one
sentence per decision out.
"""

from __future__ import annotations

from typing import NamedTuple

from ..config.gpu_constants import HARDWARE, HardwareConstants
from ..errors import ConfigError
from ..memory.card import Card, MemoryModel
from ..memory.host_memory import HostMemory, Node
from ..memory.refinement import Refinement
from .layouts import Layout, layouts, least_per_gpu
from .limits import Limits, threads_on_gpu, within_cores
from .reasons import cap_reason, layout_reason, unused_reason

__all__ = ["RankFit", "fit"]


class RankFit(NamedTuple):
    """The ranks of a job: ``nproc`` in all, each with ``nthread`` threads, on ``ngpu`` GPUs of each
    of ``nodes`` nodes.

    ``ranks_per_gpu`` counts the ranks that use a GPU (followers), 0 without GPUs;
    ``bytes_per_rank`` is what one takes there, 0 if unknown. ``model`` names the memory model.
    ``nproc`` 1 means the program without MPI. ``host_memory`` is that of the fullest node.
    ``reasons``: one sentence per decision.

    For a node with less GPU memory than planned: ``least`` is the fewest ranks per GPU that RELION
    takes, ``bytes_per_rank_without_mps`` and ``least_bytes_per_rank`` what one needs without MPS
    and at the very least, and ranks may take ``usable_percent`` of a GPU's memory.
    """

    nproc: int
    nthread: int
    ngpu: int
    ranks_per_gpu: int
    bytes_per_rank: int
    model: MemoryModel
    reasons: tuple[str, ...]
    nodes: int = 1
    least: int = 0
    host_memory: HostMemory | None = None
    idle_leader: bool = False
    split_halves: bool = False
    bytes_per_rank_without_mps: int = 0
    least_bytes_per_rank: int = 0
    usable_percent: int = 100


_ANY_NODE = Node()


def fit(
    *,
    wanted: int,
    ngpu: int,
    gpu_bytes: int | None,
    threads: int,
    refinement: Refinement | None,
    memory_model: MemoryModel = "relion",
    mpi: bool = True,
    idle_leader: bool = True,
    split_halves: bool = False,
    free_gpu_memory: float = 0,
    relion_version: tuple[int, int] | None = None,
    mps: bool = False,
    hardware: HardwareConstants = HARDWARE,
    nodes: int = 1,
    ranks_per_gpu: int | None = None,
    cores: int | None = None,
    node: Node = _ANY_NODE,
) -> RankFit:
    """Fit the ranks of one command to ``nodes`` nodes with ``ngpu`` GPUs of ``gpu_bytes`` each.

    ``wanted``: the most ranks; never exceeded, and ``ranks_per_gpu`` (None: no such cap) only where
    RELION's rules ask for it. ``gpu_bytes`` None or ``refinement`` None: GPU memory sets no limit.
    ``threads``: the most per rank, within the ``cores`` of a node. ``node``: its host memory.
    ``mpi`` False: one process, its threads spread over the GPUs. ``idle_leader``: rank 0 uses no
    GPU (relion_refine_mpi; not autopick, motioncorr, ctffind). ``split_halves``: an odd number of
    ranks, at least 3. ``free_gpu_memory``: MB, as in RELION's option. ``mps``: ranks that share a
    GPU do so through MPS. ``hardware``: what the card itself takes.

    Raises DoesNotFit when the least number of followers fits on no GPU (``relion`` model only) or
    into no node's host memory, and ConfigError when ``wanted`` is below what RELION needs.
    """
    if split_halves and (not mpi or wanted < 3):
        raise ConfigError(
            f"A refinement with split half sets needs MPI and at least 3 ranks, but this job may "
            f"have {wanted if mpi else 1}; set nproc of its job type to an odd number from 3 up."
        )
    single = not mpi or wanted < 1 + idle_leader
    least = 1 if single else least_per_gpu(nodes, ngpu, split_halves)
    cap = ranks_per_gpu and max(least, ranks_per_gpu)
    if single:
        used = min(ngpu, within_cores(1, threads, cores))
        possible = [Layout(1, 1, used, min(used, 1))]
    else:
        possible = list(
            layouts(
                wanted=wanted,
                nodes=nodes,
                gpus=ngpu,
                most_per_gpu=cap,
                idle_leader=idle_leader,
                split_halves=split_halves,
            )
        )
    card = Card(
        gpu_bytes,
        refinement,
        memory_model=memory_model,
        free_gpu_memory=free_gpu_memory,
        relion_version=relion_version,
        mps=mps,
        hardware=hardware,
    )
    bounds = Limits(card, least, threads, cores, node)
    layout, nthread, limits = bounds.first_that_fits(possible)
    followers, on_gpu = wanted - idle_leader, threads_on_gpu(layout, nthread)
    alone = card._replace(mps=False)
    card = card if layout.ranks_per_gpu > 1 else alone
    reasons = [*limits, layout_reason(layout, nthread, wanted, ngpu, idle_leader, split_halves)]
    if layout.gpus:
        room = [most for most in (cap, card.most_ranks(on_gpu)) if most is not None]
        reasons = [
            card.explained(on_gpu, least),
            cap_reason(layout, followers, cap, card, on_gpu),
            *reasons,
            unused_reason(layout, followers, nodes, ngpu, min(room, default=None), split_halves),
        ]
    return RankFit(
        nproc=layout.nproc,
        nthread=nthread,
        ngpu=layout.gpus,
        ranks_per_gpu=layout.ranks_per_gpu,
        bytes_per_rank=card.bytes_per_rank(on_gpu) if layout.gpus else 0,
        model=memory_model,
        reasons=tuple(filter(None, reasons)),
        nodes=layout.nodes,
        least=least if layout.gpus else 0,
        host_memory=node.needed(layout.on_fullest_node),
        idle_leader=idle_leader,
        split_halves=split_halves,
        bytes_per_rank_without_mps=alone.bytes_per_rank(on_gpu) if layout.gpus else 0,
        least_bytes_per_rank=card.least_bytes_per_rank() if layout.gpus else 0,
        usable_percent=card.usable_percent,
    )
