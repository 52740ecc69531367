"""The best layout of ranks that there is room for: on the GPUs, in host memory, on the cores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from ..memory.card import Card
from ..memory.host_memory import Node
from . import named_devices, reasons
from .layouts import Layout, WantedRanks
from .named_devices import Sharing

__all__ = ["ENOUGH_THREADS", "FoundLayout", "Limits", "sharing", "within_cores"]


ENOUGH_THREADS = 4  # where nobody has chosen a number: a rank less is better than fewer threads


class FoundLayout(NamedTuple):
    """A layout that has room, the threads of each of its ranks, and what kept fuller ones out."""

    layout: Layout
    nthread: int
    reasons: tuple[str, ...]


class Limits(NamedTuple):
    """What bounds the ranks beside RELION's own rules.

    Attributes:
        wanted: the most that the job may have.
        least: ranks per GPU that RELION needs.
    """

    card: Card
    node: Node
    wanted: WantedRanks
    least: int

    def first_that_fits(self, possible: Sequence[Layout]) -> FoundLayout:
        """The first layout with room everywhere.

        A layout may have more ranks than there are cores only if RELION cannot run with fewer.

        Raises DoesNotFit when there is room for none.
        """
        # The answers are those of few numbers, though there may be a hundred thousand layouts.
        holds = cache(lambda ranks, least: self.node.holds(ranks, least=least))
        threads_within_gpu = cache(self._threads_within_gpu)
        short_of_cores = short_of_memory = short_of_threads = None
        cores, fewest = self.node.cores, min(layout.on_fullest_node for layout in possible)
        on_same_gpus = {(each.nodes, each.gpus): each.ranks_per_gpu for each in possible}  # least
        for layout in possible:
            ranks = layout.on_fullest_node
            beside = self.node.cores_beside(layout.gpus)
            if cores and ranks > max(beside or cores, fewest):
                short_of_cores = short_of_cores or layout
                continue
            most = within_cores(ranks, self.wanted.nthread, beside)
            may_be_fewer = layout.ranks_per_gpu > on_same_gpus[layout.nodes, layout.gpus]
            chosen = not (self.wanted.threads_open and self.wanted.ranks_open)
            if not chosen and most < ENOUGH_THREADS and may_be_fewer:
                short_of_threads = short_of_threads or layout
                continue
            on_gpu = (
                layout
                if layout.devices or ranks == 1
                else layout._replace(nproc=2, nodes=1, gpus=min(layout.gpus, 1))
            )
            nthread = threads_within_gpu(on_gpu, most)
            if nthread is None:
                continue
            if not holds(ranks, ranks == fewest):
                short_of_memory = short_of_memory or layout
                continue
            said = (
                reasons.cores_reason(layout, short_of_cores, self.node),
                reasons.threads_reason(layout, short_of_threads, self.node),
                reasons.host_memory_reason(layout, short_of_memory, self.node),
                reasons.shared_cores_reason(layout, most, self.wanted, self.node)
                if nthread == most or not self.wanted.threads_open
                else "",
                reasons.fewer_threads_reason(nthread, most),
            )
            if layout.gpus:
                shared = sharing(layout, nthread)
                layout = layout._replace(gpus=shared.gpus, ranks_per_gpu=shared.ranks)
            return FoundLayout(layout, nthread, tuple(filter(None, said)))
        raise self.node.refusal(fewest)

    def _threads_within_gpu(self, layout: Layout, threads: int) -> int | None:
        """Threads with which the layout's ranks share a GPU; None if fewer ranks should.

        Raises DoesNotFit when there can be no fewer.
        """
        usable = self.card.usable_bytes
        enough = min(threads, ENOUGH_THREADS) if self.wanted.threads_open else threads
        if not layout.gpus or usable is None:
            return threads
        for fewer in range(threads, 0, -1):
            shared = sharing(layout, fewer)
            each, card = shared.ranks, self.card.leaving_free(shared.fewest_threads, shared.ranks)
            if each * card.bytes_per_rank(shared.threads, each) <= usable:
                return fewer
            if each > self.least and fewer <= enough:
                return None  # fewer ranks are better than fewer threads
            if card.memory_model == "fmi":
                return threads
        if each * card.least_bytes_per_rank(1, each) <= usable:
            return 1
        raise self.card.refusal(each, sharing(layout, threads).threads)


def within_cores(ranks: int, threads: int, cores: int | None) -> int:
    """Threads for each of the ranks on a node with ``cores`` cores (None: any number)."""
    return threads if not cores else max(1, min(threads, cores // ranks))


def sharing(layout: Layout, threads: int) -> Sharing:
    """How ranks of so many threads share the layout's GPUs.

    A rank has all its threads on one GPU, but a single process spreads its own over all, and ranks
    on named devices over those of their group.
    """
    if layout.devices:
        return named_devices.sharing(layout.devices, layout.nproc, layout.nodes, threads)
    if layout.nproc > 1 or not layout.gpus:
        return Sharing(layout.gpus, layout.ranks_per_gpu, threads, threads)
    gpus = min(layout.gpus, threads)
    return Sharing(gpus, layout.ranks_per_gpu, -(-threads // gpus), threads // gpus)
