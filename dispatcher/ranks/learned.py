"""What do a job's earlier runs tell of memory, when its user continues the job by hand?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..host.shell_words import Word
from ..relion.command import Command
from . import left_free
from .layouts import WantedRanks

__all__ = ["Learned"]


class Learned(NamedTuple):
    """With what runs of the job went on after a full memory; None for what was not changed.

    Attributes:
        ranks_per_gpu: the most ranks on each GPU.
        ranks: the most ranks in all.
        free_gpu_memory: MB that RELION was told to leave free on each GPU, at least.
        memory_mib: MiB of each node's memory that the job was to have, at least.
    """

    ranks_per_gpu: int | None = None
    ranks: int | None = None
    free_gpu_memory: int | None = None
    memory_mib: int | None = None

    @classmethod
    def of_all(cls, runs: Iterable[Learned]) -> Learned:
        """The fewest ranks, and the most memory, of what runs have learned."""
        every = zip(cls(), *runs, strict=True)
        each_gpu, ranks, free, memory = ([*filter(None, values)] for values in every)
        return cls(
            min(each_gpu, default=None),
            min(ranks, default=None),
            max(free, default=None),
            max(memory, default=None),
        )

    def kept_by(self, wanted: WantedRanks) -> WantedRanks:
        """The ranks that the job may have now."""
        wanted = wanted._replace(learned_per_gpu=self.ranks_per_gpu)
        if self.ranks is None or self.ranks >= wanted.nproc:
            return wanted
        return wanted._replace(nproc=self.ranks)

    def reasons(self, wanted: WantedRanks) -> tuple[str, ...]:
        """Why the ranks are fewer than `wanted`; :mod:`.reasons` has the sentence on each GPU."""
        if self.ranks is None or self.ranks >= wanted.nproc:
            return ()
        return (
            f"At most {self.ranks} of {wanted.nproc} ranks: an earlier run of this job filled its "
            "memory with more.",
        )

    def left_free(self, command: Command) -> tuple[Command, tuple[str, ...]]:
        """The command of a refinement, whose ranks leave as much of a GPU free as in the last run,
        and why."""
        given, needs = left_free.megabytes(command.value(left_free.OPTION)), self.free_gpu_memory
        known = given is not None and command.base_program == "relion_refine"
        if needs is None or not known or needs <= (given or 0):
            return command, ()
        option = f"--{left_free.OPTION}"
        why = f"{option} {needs}: with less, an earlier run of this job filled the memory of a GPU."
        return command.with_option(option, (Word.literal(str(needs)),)), (why,)
