"""What is left to try after a memory was full: rows for the next runs of a job that goes on.

Fewer ranks on each GPU are in the table for the node (:mod:`.node_table`); the rest is here. Pure
functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..config.ends_from_outside import MEMORIES, Cause
from ..ranks import left_free
from ..ranks.layouts import WantedRanks, layouts
from ..relion.command import Command
from .resources import Resources

__all__ = ["Ladder", "ladder"]

# MB. RELION takes a number larger than what the GPU has free for none (ml_optimiser.cpp, 5.0.1).
_LEFT_FREE = (1000, 2000, 4000)


class Ladder(NamedTuple):
    """Rows of a job, from the first to try.

    Attributes:
        fewer_per_gpu: the table for the node has rows with fewer ranks on each GPU.
        free_gpu_memory: MB of each GPU that RELION is told to leave free, from the least up.
        ranks: numbers of ranks of a job without GPUs, from the planned one down; none if RELION
            needs as many as are planned.
    """

    fewer_per_gpu: bool = False
    free_gpu_memory: tuple[int, ...] = ()
    ranks: tuple[int, ...] = ()

    def helps(self, cause: Cause) -> bool:
        """Whether there is anything to try after the cause."""
        rows = self.free_gpu_memory if cause == "gpu_memory" else self.ranks
        return cause in MEMORIES and (self.fewer_per_gpu or bool(rows))

    def only(self, after: Sequence[Cause]) -> Ladder:
        """The rows of a job that goes on after these causes."""
        return self._replace(
            fewer_per_gpu=self.fewer_per_gpu and any(each in after for each in MEMORIES),
            free_gpu_memory=self.free_gpu_memory if "gpu_memory" in after else (),
            ranks=self.ranks if "host_memory" in after else (),
        )


def ladder(main: Command, settled: Resources) -> Ladder:
    """The rows for the main command, as planned."""
    fit = settled.fit
    given = left_free.megabytes(main.value(left_free.OPTION))
    leaves_free = settled.ngpu > 0 and main.base_program == "relion_refine" and given is not None
    return Ladder(
        fewer_per_gpu=bool(
            fit and settled.ngpu and fit.bytes_per_rank and fit.ranks_per_gpu > fit.least
        ),
        free_gpu_memory=tuple(each for each in _LEFT_FREE if leaves_free and each > (given or 0)),
        ranks=_fewer_ranks(settled),
    )


def _fewer_ranks(settled: Resources) -> tuple[int, ...]:
    """Numbers that RELION takes, on as many nodes as planned."""
    fit = settled.fit
    if settled.ngpu or settled.nproc == 1 or settled.program_starts_ranks or fit is None:
        return ()
    wanted = WantedRanks(settled.nproc, nodes=settled.nodes)
    numbers = [each.nproc for each in layouts(wanted, fit.rules) if each.nodes == settled.nodes]
    return tuple(_steps(numbers)) if len(numbers) > 1 else ()


def _steps(numbers: Sequence[int]) -> Iterator[int]:
    """The first, those that are at most three quarters of the one before, and the last: each row
    costs a job a part of an iteration.

    >>> list(_steps(range(16, 0, -1)))
    [16, 12, 9, 6, 4, 3, 2, 1]
    """
    last = numbers[0]
    yield last
    for number in numbers[1:]:
        if 4 * number <= 3 * last or number == numbers[-1]:
            yield number
            last = number
