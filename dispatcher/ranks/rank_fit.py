"""How many ranks a job runs with, on how many of its GPUs, and with how many threads each.

The wanted number is a maximum; RELION's rules (`ranks.layouts`), the GPUs' memory, the cores
and the host memory of a node lower it. A pure decision: numbers in, numbers and one sentence per
decision out.
"""

from __future__ import annotations

from typing import NamedTuple

from ..errors import ConfigError, DoesNotFit
from ..memory.card import Card, MemoryModel
from ..memory.host_memory import HostMemory, Node
from ..reason import about
from . import reasons
from .layouts import Layout, RankRules, WantedRanks, layouts, least_per_gpu
from .limits import Limits, sharing, within_cores
from .more_ranks import MoreRanks, more_ranks
from .type_memory import ranks_in_type_memory

__all__ = ["RankFit", "fit_ranks"]


class RankFit(NamedTuple):
    """The ranks of a job, and what bounded them.

    Attributes:
        nproc: ranks in all; 1 means the program without MPI.
        nthread: threads of each rank.
        ngpu: GPUs used on each of ``nodes`` nodes.
        ranks_per_gpu: the ranks (followers) that use a GPU, the fullest if a job type has named the
            devices; 0 without GPUs.
        rules: what RELION asks of the ranks.
        model: the memory model that counted the bytes.
        host_memory: that of the fullest node, None if not known.
        usable_percent: the part of a GPU's memory that ranks may take.
        reasons: one sentence per decision.
        least: the fewest ranks per GPU that RELION takes, 0 without GPUs.
        free_gpu_memory: MB that the command tells each rank to leave free, so that ranks that
            share a GPU cannot overflow it; None if the command's own value is enough.
        bytes_per_rank: what one takes on its GPU; without MPS ``bytes_per_rank_without_mps``, and
            ``least_bytes_per_rank`` if RELION is to run at all, ``least_bytes_sharing`` if two or
            more have to share the GPU; 0 if not known.
        bytes_on_fewer: what a single process takes on each GPU if it has 1, 2 … of its GPUs.
        mps: ranks that share a GPU do so through MPS.
        most_gpus: GPUs of all nodes that ranks would use if each had the memory.
        gpu_bytes: the memory of a GPU; None if nobody has told it.
        more: what keeps the job from more ranks; None if there can be no more.
    """

    nproc: int
    nthread: int
    ngpu: int
    nodes: int
    ranks_per_gpu: int
    rules: RankRules
    model: MemoryModel
    host_memory: HostMemory | None
    usable_percent: int
    reasons: tuple[str, ...]
    least: int = 0
    free_gpu_memory: int | None = None
    bytes_per_rank: int = 0
    bytes_per_rank_without_mps: int = 0
    least_bytes_per_rank: int = 0
    least_bytes_sharing: int = 0
    bytes_on_fewer: tuple[int, ...] = ()
    mps: bool = False
    most_gpus: int = 0
    gpu_bytes: int | None = None
    more: MoreRanks | None = None


_ANY_NODE = Node()


def fit_ranks(wanted: WantedRanks, rules: RankRules, card: Card, node: Node = _ANY_NODE) -> RankFit:
    """Fit the ranks of one command to the GPUs, the cores and the host memory of its nodes.

    What is wanted is never exceeded, but for the ranks on a GPU if RELION's rules ask for more.
    What the card and the node leave open sets no limit.

    If the fewest ranks fit only without MPS, through which each would leave more of its GPU free,
    they do without.

    Raises DoesNotFit when the least number of followers fits on no GPU (``relion`` model only) or
    into no node's host memory, and ConfigError when fewer ranks are wanted than RELION needs.
    """
    if rules.split_halves and (not rules.mpi or wanted.nproc < 3):
        raise ConfigError(
            "A refinement with split half sets needs MPI and at least 3 ranks, but this job may "
            f"have {wanted.nproc if rules.mpi else 1}; set nproc of its job type to an odd number "
            "from 3 up."
        )
    least = least_per_gpu(wanted, rules)
    if wanted.ranks_per_gpu:
        wanted = wanted._replace(ranks_per_gpu=max(least, wanted.ranks_per_gpu))
    if wanted.learned_per_gpu:
        wanted = wanted._replace(learned_per_gpu=max(least, wanted.learned_per_gpu))
    asked = wanted
    nproc, fewer = ranks_in_type_memory(wanted, rules, node)
    wanted = wanted._replace(nproc=nproc)
    single = not rules.mpi or wanted.nproc < 1 + rules.idle_leader
    possible = [_one_process(wanted, node)] if single else list(layouts(wanted, rules))
    limits = Limits(card, node, wanted, least)
    try:
        layout, nthread, said = limits.first_that_fits(possible)
    except DoesNotFit:
        if not card.mps:
            raise
        through_mps, card = card, card._replace(mps=False)
        layout, nthread, said = limits._replace(card=card).first_that_fits(possible)
        said = (reasons.without_mps_reason(through_mps, layout.ranks_per_gpu), *said)
    fitted = RankFit(
        nproc=layout.nproc,
        nthread=nthread,
        ngpu=layout.gpus,
        nodes=layout.nodes,
        ranks_per_gpu=layout.ranks_per_gpu,
        rules=rules,
        model=card.memory_model,
        host_memory=node.needed(layout.on_fullest_node),
        usable_percent=card.usable_percent,
        reasons=tuple(
            filter(None, (fewer, *said, reasons.layout_reason(layout, nthread, wanted, rules)))
        ),
        more=more_ranks(layout, asked, rules, card, node),
    )
    if not layout.gpus:
        return fitted
    if single:
        card = card._replace(mps=False, one_pool=False)  # alone on its GPUs in any case
    shared = sharing(layout, nthread)
    on_gpu, ranks, given = shared.threads, shared.ranks, card.free_gpu_memory
    as_written = card.leaving_free(shared.fewest_threads, ranks)
    left_free, least = as_written.free_gpu_memory, min(least, ranks)
    if shared.fewest_threads < on_gpu:
        card = as_written  # else its own arithmetic has the same value for each number of ranks
    room = card.most_ranks(on_gpu)
    sentences = (
        *about("gpu_memory", (card.explained(on_gpu, ranks, least, alone=single),)),
        *about("gpu_memory", (reasons.left_free_reason(left_free, given),)),
        reasons.cap_reason(layout, wanted, rules, room),
        *fitted.reasons,
        reasons.unused_reason(layout, wanted, rules, room),
    )
    return fitted._replace(
        least=least,
        mps=card.mps,
        gpu_bytes=card.gpu_bytes,
        most_gpus=possible[0].nodes * sharing(possible[0], wanted.nthread).gpus,
        free_gpu_memory=int(left_free) if left_free > given else None,
        bytes_per_rank=as_written.bytes_per_rank(on_gpu, ranks),
        bytes_per_rank_without_mps=as_written._replace(mps=False).bytes_per_rank(on_gpu, ranks),
        least_bytes_per_rank=as_written.least_bytes_per_rank(on_gpu, least),
        least_bytes_sharing=as_written.least_bytes_per_rank(on_gpu, ranks) if ranks > 1 else 0,
        bytes_on_fewer=tuple(
            as_written.bytes_per_rank(sharing(layout._replace(gpus=gpus), nthread).threads, 1)
            for gpus in range(1, layout.gpus if single else 1)
        ),
        reasons=tuple(filter(None, sentences)),
    )


def _one_process(wanted: WantedRanks, node: Node) -> Layout:
    """A single process on as many GPUs as it has threads for, or on those of the first group."""
    gpus = min(wanted.ngpu, within_cores(1, wanted.nthread, node.cores))
    return Layout(1, 1, gpus, min(gpus, 1), wanted.devices[:1] if gpus else ())
