"""What keeps a job from having more ranks, and what would give it more? Pure functions.

The next fuller layout is looked at, with all that stands in its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from ..config.largest import MOST_RANKS
from ..memory.card import Card
from ..memory.host_memory import Node
from ..units import count, gibibytes
from .layouts import Layout, RankRules, WantedRanks, layouts, least_per_gpu
from .limits import ENOUGH_THREADS, sharing, within_cores
from .type_memory import ranks_in_type_memory

__all__ = ["Limit", "MoreRanks", "more_ranks"]

Bound = Literal["ranks", "ranks_per_gpu", "mps", "gpu_memory", "cores", "host_memory"]


class Limit(NamedTuple):
    """What stands in the way: the bound's name, what is there, what is needed, and a clause.

    ``has`` and ``needs`` are ranks, cores, or bytes of a whole card or node.
    """

    bound: Bound
    has: int
    needs: int
    says: str


class MoreRanks(NamedTuple):
    """The next fuller layout: ``nproc`` ranks, ``ranks_per_gpu`` on each GPU (0 without GPUs), and
    all that stands in its way."""

    nproc: int
    ranks_per_gpu: int
    in_the_way: tuple[Limit, ...]

    def as_json(self) -> dict[str, Any]:
        """The same, for the record."""
        limits = [limit._asdict() for limit in self.in_the_way]
        return {**self._asdict(), "in_the_way": limits}


def more_ranks(
    now: Layout, wanted: WantedRanks, rules: RankRules, card: Card, node: Node
) -> MoreRanks | None:
    """What the next layout with more ranks than `now` needs; None if there can be none.

    That is one on the same GPUs of the same nodes, or on more of those that the job may have.
    """
    if not rules.mpi or wanted.devices:
        return None
    most = now.nproc + 2 * max(1, wanted.nodes * max(1, wanted.ngpu)) + rules.idle_leader
    free = wanted.on_any_gpu._replace(nproc=min(most, MOST_RANKS))
    # Those on all nodes come first.
    possible = list(takewhile(lambda each: each.nodes >= now.nodes, layouts(free, rules)))
    fuller = [each for each in possible if each.nproc > now.nproc]
    on_as_many = [each for each in fuller if each.gpus >= now.gpus]
    # The least step; of several the one on most GPUs, which has the fewest ranks on each.
    step = min(on_as_many, key=lambda each: (each.nproc, -each.gpus * each.nodes), default=None)
    if step is None:
        return None
    gpus = (step.nodes, step.gpus)
    on_them = [each.ranks_per_gpu for each in possible if (each.nodes, each.gpus) == gpus]
    fewest = step.ranks_per_gpu == min(on_them)
    # What the planner would rather do with fewer ranks: so few get fewer threads, if need be.
    enough = 1 if fewest or not (wanted.threads_open and wanted.ranks_open) else ENOUGH_THREADS
    enough = min(enough, wanted.nthread)
    limits = [*_wishes(step, wanted, node)]
    if step.ranks_per_gpu > least_per_gpu(wanted, rules):  # so few run in less memory as well
        limits += _gpu_memory(step, enough, wanted, card, node)
    limits += _room(step, enough, wanted, rules, node)
    return MoreRanks(step.nproc, step.ranks_per_gpu, tuple(limits))


def _wishes(step: Layout, wanted: WantedRanks, node: Node) -> Iterator[Limit]:
    """What people have set, or the planner for them: as many as the GPUs or the cores may have."""
    each, as_many = step.ranks_per_gpu, wanted.ranks_open and (step.gpus or node.cores)
    if wanted.nproc < step.nproc and not as_many:
        says = f"the job may have {count(wanted.nproc, 'rank')}"
        yield Limit("ranks", wanted.nproc, step.nproc, says)
    elif wanted.nproc < step.nproc and not step.gpus:
        says = f"{node.name} has cores for {count(wanted.nproc, 'rank')}"
        yield Limit("ranks", wanted.nproc, step.nproc, says)
    elif wanted.ranks_open and wanted.most_per_gpu is None and each > 1:
        says = "nothing says that ranks may share a GPU (ranks_per_gpu)"
        yield Limit("ranks_per_gpu", 1, each, says)
    for bound, cap, why in (
        ("ranks_per_gpu", wanted.ranks_per_gpu, "(ranks_per_gpu)"),
        ("mps", wanted.through_mps, "through MPS"),
        ("ranks_per_gpu", wanted.learned_per_gpu, "since more filled its memory in an earlier run"),
    ):
        if cap is not None and cap < each:
            says = f"at most {count(cap, 'rank')} may share a GPU {why}"
            yield Limit("mps" if bound == "mps" else "ranks_per_gpu", cap, each, says)


def _room(
    step: Layout, enough: int, wanted: WantedRanks, rules: RankRules, node: Node
) -> Iterator[Limit]:
    """What nodes have, for ranks with `enough` threads each."""
    ranks, beside = step.on_fullest_node, node.cores_beside(step.gpus)
    if beside and ranks * enough > beside:
        of_each = f" x {count(enough, 'thread')}" if enough > 1 else ""
        says = f"{count(ranks, 'rank')}{of_each} need {ranks * enough} cores, not {beside}"
        yield Limit("cores", beside, ranks * enough, says)
    need = node.needed(ranks)
    each = wanted.mem_per_rank or 0
    total = need.total if need else ranks * each
    most = ranks_in_type_memory(wanted._replace(nproc=step.nproc, mem=None), rules, node)[0]
    if node.memory is not None and (total > node.memory if need else most < step.nproc):
        by_type = "" if need else f", {gibibytes(each)} for each (mem_per_rank)"
        says = (
            f"{count(ranks, 'rank')} need {gibibytes(total)} of host memory{by_type}, and "
            f"{node.has_memory}"
        )
        yield Limit("host_memory", node.memory, total, says)


def _gpu_memory(
    step: Layout, enough: int, wanted: WantedRanks, card: Card, node: Node
) -> Iterator[Limit]:
    """What a GPU has, with the threads that the planner would not go below."""
    has, usable = card.gpu_bytes, card.usable_bytes
    if not step.gpus or has is None or usable is None:
        return
    cores = node.cores_beside(step.gpus)
    threads = max(enough, within_cores(step.on_fullest_node, wanted.nthread, cores))
    fewest = min(threads, ENOUGH_THREADS) if wanted.threads_open else threads
    shared = sharing(step, fewest)
    each = card.leaving_free(shared.fewest_threads, shared.ranks)
    total = shared.ranks * each.bytes_per_rank(shared.threads, shared.ranks)
    if total > usable:
        needs = -(-total * 100 // card.usable_percent)
        who = "a rank needs" if shared.ranks == 1 else f"{shared.ranks} ranks on a GPU need"
        says = (
            f"{who} a card of {gibibytes(needs)} ({count(fewest, 'thread')} each), not of "
            f"{gibibytes(has)}"
        )
        yield Limit("gpu_memory", has, needs, says)
