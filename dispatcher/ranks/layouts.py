"""How ranks can be spread evenly over nodes and GPUs: every layout that RELION takes, best first.

RELION's rules (relion_refine_mpi, ml_optimiser_mpi.cpp:795, 5.0.1): one leader that uses no GPU,
and an odd number of ranks, at least 3, for split half sets. Each GPU has the same number of
followers, and so has each node: an unevenly filled node makes ranks straddle two GPUs and hold
their references twice (ml_optimiser_mpi.cpp:277), and the fullest GPU keeps all others waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .named_devices import Devices, sharing

__all__ = ["Layout", "RankRules", "WantedRanks", "layouts", "least_per_gpu"]


class RankRules(NamedTuple):
    """What RELION asks of the ranks of a program.

    Attributes:
        mpi: the program can run as several ranks; False: one process, its threads spread over GPUs.
        idle_leader: rank 0 uses no GPU (relion_refine_mpi; not autopick, motioncorr, ctffind).
        split_halves: half sets are refined apart: an odd number of ranks, at least 3.
    """

    mpi: bool = True
    idle_leader: bool = True
    split_halves: bool = False


class WantedRanks(NamedTuple):
    """The most that a job may have.

    Attributes:
        nproc: ranks in all.
        nthread: threads of each rank.
        ngpu: GPUs on each of ``nodes`` nodes, 0 for ranks on CPUs.
        ranks_per_gpu: ranks that may share a GPU, None for no such cap.
        through_mps: ranks that MPS takes on a GPU, None without MPS.
        learned_per_gpu: ranks that may share a GPU, as more have filled its memory in an earlier
            run of the job; None if none have.
        mem: the host memory that the job type has for ``nproc`` ranks ("64G"), None if not known.
        mem_per_rank: bytes of host memory for each rank, where nobody has chosen how many there are
            and their memory is not computed; None if not known.
        devices: the GPUs that the job type has named, none if the plan chooses them.
        asked_memory: the host memory of a node that somebody has chosen for this job ("64G"), in
            place of the node's; None if nobody has.
        threads_open: nobody has chosen ``nthread``: a rank gets its part of the node's cores.
        ranks_open: nobody has chosen ``nproc``: it is all that the GPUs or the cores may have.
    """

    nproc: int
    nthread: int = 1
    ngpu: int = 0
    nodes: int = 1
    ranks_per_gpu: int | None = None
    through_mps: int | None = None
    learned_per_gpu: int | None = None
    mem: str | None = None
    mem_per_rank: int | None = None
    devices: Devices = ()
    threads_open: bool = False
    ranks_open: bool = False
    asked_memory: str | None = None

    @property
    def most_per_gpu(self) -> int | None:
        """Ranks that a GPU may have by all caps, None for any number."""
        caps = (self.ranks_per_gpu, self.through_mps, self.learned_per_gpu)
        return min(filter(None, caps), default=None)

    @property
    def on_any_gpu(self) -> WantedRanks:
        """The same without the caps on a GPU's ranks."""
        return self._replace(ranks_per_gpu=None, through_mps=None, learned_per_gpu=None)


class Layout(NamedTuple):
    """``nproc`` ranks on ``nodes`` nodes, ``ranks_per_gpu`` on each of ``gpus`` GPUs per node.

    ``gpus`` and ``ranks_per_gpu`` are 0 for ranks on CPUs; the idle leader is in ``nproc`` only.
    On ``devices`` that a job type has named, ``ranks_per_gpu`` are those on the fullest.
    """

    nproc: int
    nodes: int
    gpus: int
    ranks_per_gpu: int
    devices: Devices = ()

    @property
    def on_fullest_node(self) -> int:
        """Ranks on the node that has most, the leader's."""
        return -(-self.nproc // self.nodes)


def layouts(wanted: WantedRanks, rules: RankRules) -> Iterator[Layout]:
    """Layouts within what is wanted, MPI needed, best first, down to the least that works.

    All nodes before fewer, then all GPUs before fewer, then as many followers on each as
    its caps allow; without GPUs simply as many ranks as possible. On named devices each group has
    the same number of followers, or, if that is not possible, as many followers as possible.
    """
    if wanted.ngpu < 1:
        for nproc in range(wanted.nproc, 2 if rules.split_halves else rules.idle_leader, -1):
            if not rules.split_halves or nproc % 2:
                yield Layout(nproc, min(wanted.nodes, nproc), 0, 0)
        return
    if wanted.devices:
        yield from _on_named(wanted, rules)
        return
    followers = wanted.nproc - rules.idle_leader
    for nodes in range(wanted.nodes, 0, -1):
        for gpus in range(wanted.ngpu, 0, -1):
            each = followers // (nodes * gpus)
            if wanted.most_per_gpu is not None:
                each = min(each, wanted.most_per_gpu)
            for on_gpu in range(each, 0, -1):
                spread = nodes * gpus * on_gpu
                if not rules.split_halves or spread % 2 == 0:
                    yield Layout(spread + rules.idle_leader, nodes, gpus, on_gpu)


def _on_named(wanted: WantedRanks, rules: RankRules) -> Iterator[Layout]:
    """As :func:`layouts`, on the devices that the job type has named."""
    followers, groups = wanted.nproc - rules.idle_leader, len(wanted.devices)
    cap = followers if wanted.most_per_gpu is None else wanted.most_per_gpu
    for nodes in range(wanted.nodes, 0, -1):
        # On a group's devices there are at least its followers.
        rounds = range(min(followers // (nodes * groups), cap), 0, -1)
        spreads = [nodes * groups * each for each in rounds]
        if nodes == 1:
            spreads += range(min(followers, cap * groups), 0, -1)
        for spread in spreads:
            nproc = spread + rules.idle_leader
            shared = sharing(wanted.devices, nproc, nodes, wanted.nthread)
            within = wanted.most_per_gpu is None or shared.ranks <= wanted.most_per_gpu
            if within and not (rules.split_halves and spread % 2):
                yield Layout(nproc, nodes, shared.gpus, shared.ranks, wanted.devices)


def least_per_gpu(wanted: WantedRanks, rules: RankRules) -> int:
    """The fewest followers on a GPU with which all of RELION's rules can be kept.

    A single GPU has to hold both half sets, and so have devices that a job type has named for both.
    """
    if wanted.ngpu and wanted.devices:
        return min((each.ranks_per_gpu for each in layouts(wanted.on_any_gpu, rules)), default=1)
    return 2 if rules.split_halves and wanted.nodes * wanted.ngpu == 1 else 1
