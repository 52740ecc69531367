"""The best layout of ranks that there is room for: on the GPUs, in host memory, on the cores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..memory.card import Card
from ..memory.host_memory import Node
from ..units import count, gigabytes
from .layouts import Layout

__all__ = ["Limits", "threads_on_gpu", "within_cores"]


class Limits(NamedTuple):
    """What bounds the ranks beside RELION's own rules."""

    card: Card
    least: int
    threads: int
    cores: int | None
    node: Node

    def first_that_fits(self, possible: Sequence[Layout]) -> tuple[Layout, int, list[str]]:
        """The first layout with room everywhere, the threads of its ranks, and what was in the way.

        A layout may have more ranks than there are cores only where RELION cannot run with fewer.

        Raises DoesNotFit when there is room for none.
        """
        short_of_cores = short_of_memory = None
        fewest = min(layout.on_fullest_node for layout in possible)
        for layout in possible:
            ranks = layout.on_fullest_node
            if self.cores and ranks > max(self.cores, fewest):
                short_of_cores = short_of_cores or layout
                continue
            most = within_cores(ranks, self.threads, self.cores)
            nthread = self._within_gpu(layout, most)
            if nthread is None:
                continue
            if not self.node.holds(ranks):
                short_of_memory = short_of_memory or layout
                continue
            reasons = self._limits(layout, short_of_cores, short_of_memory)
            if most < self.threads:
                reasons.append(
                    f"{count(most, 'thread')} instead of {self.threads}: "
                    f"{count(ranks, 'rank')} share the {self.cores} cores of a node."
                )
            if nthread < most:
                reasons.append(
                    f"{count(nthread, 'thread')} instead of {most}: the working memory of more "
                    "does not fit on the GPU beside the references."
                )
            if layout.nproc == 1 and layout.gpus:
                layout = layout._replace(gpus=min(layout.gpus, nthread))
            return layout, nthread, reasons
        raise self.node.refusal(fewest)

    def _within_gpu(self, layout: Layout, threads: int) -> int | None:
        """Threads with which the layout's ranks share a GPU; None where fewer ranks should.

        Raises DoesNotFit when there can be no fewer.
        """
        each, usable = layout.ranks_per_gpu, self.card.usable_bytes
        card = self.card if each > 1 else self.card._replace(mps=False)
        if not layout.gpus or usable is None:
            return threads
        for fewer in range(threads, 0, -1):
            if each * card.bytes_per_rank(threads_on_gpu(layout, fewer)) <= usable:
                return fewer
            if each > self.least:
                return None  # fewer ranks are better than fewer threads
            if card.memory_model == "fmi":
                return threads
        if each * card.least_bytes_per_rank() <= usable:
            return 1
        raise card.refusal(each, threads_on_gpu(layout, threads))

    def _limits(
        self, layout: Layout, short_of_cores: Layout | None, short_of_memory: Layout | None
    ) -> list[str]:
        reasons = []
        if short_of_cores and self.cores:
            reasons.append(
                f"{count(layout.nproc, 'rank')} instead of {short_of_cores.nproc}: a node has "
                f"{count(self.cores, 'core')}."
            )
        if short_of_memory:
            need = self.node.needed(short_of_memory.on_fullest_node)
            assert need is not None and self.node.memory is not None
            reasons.append(
                f"{count(layout.nproc, 'rank')} instead of {short_of_memory.nproc}, which would "
                f"need {gigabytes(need.total)} of host memory: a node has "
                f"{gigabytes(self.node.memory)}."
            )
        return reasons


def within_cores(ranks: int, threads: int, cores: int | None) -> int:
    """Threads for each of the ranks on a node with ``cores`` cores (None: any number)."""
    return threads if not cores else max(1, min(threads, cores // ranks))


def threads_on_gpu(layout: Layout, threads: int) -> int:
    """Threads of one rank on one GPU: all of them, but a single process spreads its own."""
    return threads if layout.nproc > 1 or not layout.gpus else -(-threads // layout.gpus)
