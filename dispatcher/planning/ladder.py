"""What is left to try after a memory was full: rows for the next runs of a job that goes on.

Fewer ranks on each GPU are in the table for the node (:mod:`.node_table`); the rest is here. Fewer
ranks come before more memory: they take the place of the run that has filled it, while a job that
asks for more memory waits in the queue, and nobody knows how long. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..config.ends_from_outside import MEMORIES, Cause
from ..ranks import left_free
from ..ranks.layouts import WantedRanks, layouts
from ..units import read_size
from .placed_job import PlacedJob
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
        memory_mib: MiB of each node that the scheduler is asked for, from the planned ones up; none
            if nobody knows that the nodes have more, or if a job in the queue cannot ask for it.
    """

    fewer_per_gpu: bool = False
    free_gpu_memory: tuple[int, ...] = ()
    ranks: tuple[int, ...] = ()
    memory_mib: tuple[int, ...] = ()

    def helps(self, cause: Cause) -> bool:
        """Whether there is anything to try after the cause."""
        rows = self.free_gpu_memory if cause == "gpu_memory" else self.ranks or self.memory_mib
        return cause in MEMORIES and (self.fewer_per_gpu or bool(rows))

    def only(self, after: Sequence[Cause]) -> Ladder:
        """The rows of a job that goes on after these causes."""
        return self._replace(
            fewer_per_gpu=self.fewer_per_gpu and any(each in after for each in MEMORIES),
            free_gpu_memory=self.free_gpu_memory if "gpu_memory" in after else (),
            ranks=self.ranks if "host_memory" in after else (),
            memory_mib=self.memory_mib if "host_memory" in after else (),
        )


def ladder(placed: PlacedJob, more_memory: bool) -> Ladder:
    """The rows for the main command, as planned.

    `more_memory`: whether the job's script can ask for more memory in the queue.
    """
    main, settled = placed.main, placed.settled
    fit = settled.fit
    given = left_free.megabytes(main.value(left_free.OPTION))
    leaves_free = settled.ngpu > 0 and main.base_program == "relion_refine" and given is not None
    return Ladder(
        fewer_per_gpu=bool(
            fit and settled.ngpu and fit.bytes_per_rank and fit.ranks_per_gpu > fit.least
        ),
        free_gpu_memory=tuple(each for each in _LEFT_FREE if leaves_free and each > (given or 0)),
        ranks=_fewer_ranks(settled),
        memory_mib=_more_memory(placed) if more_memory else (),
    )


def _fewer_ranks(settled: Resources) -> tuple[int, ...]:
    """Numbers that RELION takes, on as many nodes as planned."""
    fit = settled.fit
    if settled.ngpu or settled.nproc == 1 or settled.program_starts_ranks or fit is None:
        return ()
    wanted = WantedRanks(settled.nproc, nodes=settled.nodes)
    numbers = [each.nproc for each in layouts(wanted, fit.rules) if each.nodes == settled.nodes]
    return tuple(_steps(numbers)) if len(numbers) > 1 else ()


def _more_memory(placed: PlacedJob) -> tuple[int, ...]:
    """MiB of each node. What the job asks for without a unit, only the scheduler knows; what its
    user has typed holds."""
    asked = placed.parameters.get("mem")
    size = read_size(asked) if isinstance(asked, str) else None
    most = placed.most_memory
    if size is None or size.unit == 1 or most is None:
        return ()
    rows = tuple(_doubled(int(size.number * size.unit) >> 20, most >> 20))
    return rows if len(rows) > 1 else ()


def _doubled(asked: int, most: int) -> Iterator[int]:
    """`asked`, twice as much and so on, and `most`: each row costs a wait in the queue, so steps
    are long, and none of them adds less than a quarter.

    >>> [list(_doubled(64, most)) for most in (500, 256, 160, 80, 79)]
    [[64, 128, 256, 500], [64, 128, 256], [64, 160], [64, 80], [64]]
    """
    yield asked
    while 5 * asked <= 4 * most:
        asked = most if 4 * 2 * asked > 3 * most else 2 * asked
        yield asked


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
