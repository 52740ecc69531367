"""How many ranks of a refinement one GPU holds, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, NamedTuple

from ..config.gpu_constants import HARDWARE, HardwareConstants
from ..errors import DoesNotFit
from ..units import count, gibibytes
from . import gpu_memory
from .largest_number import largest
from .pool_race import least_left_free
from .refinement import Refinement

__all__ = ["Card", "MemoryModel"]

MemoryModel = Literal["relion", "fmi"]


class Card(NamedTuple):
    """One GPU and the refinement whose ranks share it; None for what is not known.

    Attributes:
        gpu_bytes: the GPU's memory.
        memory_model: how bytes are counted (docs/gpu.md).
        free_gpu_memory: MB per rank, as the command has it in RELION's option.
        relion_version: (major, minor).
        mps: ranks that share the GPU do so through an MPS daemon; one alone never needs it.
        one_pool: RELION takes a GPU's free memory in one piece, for which ranks race.
        hardware: what the card itself takes.
        of_the_job_type: the partition does not say its GPUs' memory, so the job type's counts.
    """

    gpu_bytes: int | None
    refinement: Refinement | None
    memory_model: MemoryModel = "relion"
    free_gpu_memory: float = 0
    relion_version: tuple[int, int] | None = None
    mps: bool = False
    one_pool: bool = True
    hardware: HardwareConstants = HARDWARE
    of_the_job_type: bool = False

    def left_free(self, threads: int, ranks: int) -> float:
        """MB that each of ``ranks`` ranks on this GPU leaves free: what the command says, or more
        if their race for the GPU's memory asks for it."""
        if not self.one_pool:
            return self.free_gpu_memory
        least = least_left_free(self.refinement, threads, ranks, self.hardware, mps=self.mps)
        return max(self.free_gpu_memory, least)

    def leaving_free(self, threads: int, ranks: int) -> Card:
        """The card with that value in the command."""
        return self._replace(free_gpu_memory=self.left_free(threads, ranks))

    def bytes_per_rank(self, threads: int, ranks: int) -> int:
        """Bytes that each of ``ranks`` ranks with ``threads`` threads on this GPU takes there.

        0 if not known.
        """
        if self.refinement is None:
            return 0
        if self.memory_model == "fmi":
            return gpu_memory.fmi_bytes_per_rank(self.refinement)
        return gpu_memory.bytes_per_rank(
            self.refinement,
            threads,
            self.left_free(threads, ranks),
            self.hardware,
            relion_version=self.relion_version,
            mps=self.mps and ranks > 1,
        )

    def least_bytes_per_rank(self, threads: int = 1, ranks: int = 1) -> int:
        """Bytes below which RELION cannot run one of ``ranks`` ranks on this GPU.

        0 if not known, or for the fmi model. ``threads`` count only for ranks that share it.
        """
        if self.refinement is None or self.memory_model == "fmi":
            return 0
        return gpu_memory.least_bytes_per_rank(
            self.refinement,
            self.left_free(threads, ranks),
            self.hardware,
            relion_version=self.relion_version,
            mps=self.mps and ranks > 1,
            sharing_threads=threads if ranks > 1 else None,
        )

    @property
    def usable_bytes(self) -> int | None:
        """Bytes that ranks may share; None if nothing limits them."""
        if self.gpu_bytes is None or self.refinement is None:
            return None
        if self.memory_model == "fmi":
            return self.gpu_bytes
        return gpu_memory.usable_bytes(self.gpu_bytes, self.hardware)

    def most_ranks(self, threads: int) -> int | None:
        """Ranks with ``threads`` threads each that fit; None: no limit."""
        usable, alone = self.usable_bytes, self.bytes_per_rank(threads, 1)
        if usable is None or not alone:
            return None
        if self.memory_model == "fmi":
            return usable // alone
        room = usable

        # One more needs as much as each of these, and has them all leave more free.
        def fit(ranks: int) -> bool:
            return ranks * self.bytes_per_rank(threads, ranks) <= room

        return largest(fit, room)

    @property
    def usable_percent(self) -> int:
        """The part of a GPU's memory that the model counts on."""
        return 100 if self.memory_model == "fmi" else self.hardware.usable_percent

    def explained(self, threads: int, ranks: int, least: int, *, alone: bool = False) -> str:
        """The sentence that says what each of ``ranks`` ranks needs, how many fit and why.

        ``least`` ranks stay in any case. ``alone``: there is one process, and can be no more.
        """
        if self.refinement is None:
            return "The job's GPU memory is not known, so it sets no limit."
        each = self.bytes_per_rank(threads, ranks)
        who = "The process" if alone else "A rank"
        need = (
            f"{who} needs {gibibytes(each)} on its GPU by the {self.memory_model} model "
            f"({described(self.refinement)}, {count(threads, 'thread')})"
        )
        most = self.most_ranks(threads)
        if self.gpu_bytes is None:
            return f"{need}; the memory of the partition's GPUs is not given, so it sets no limit."
        if most is None:
            return "RELION uses no GPU memory for this job, so GPU memory sets no limit."
        if alone and most:
            return f"{need}, and has {self._room()}."
        fit = {0: "none fits", 1: "1 fits"}.get(most, f"{most} fit")
        if self.memory_model == "fmi":
            room = gibibytes(self.gpu_bytes) + self._by_the_job_type
            kept = f", but this model never plans fewer than {least}" if most < least else ""
            return f"{need}; {fit} into {room}{kept}."
        if most >= least:
            return f"{need}; {fit} into {self._room()}{self.why_no_more(threads, ranks, most)}."
        planned = "1 rank is" if least == 1 else f"{least} ranks are"
        return (
            f"{need}; {fit} into {self._room()}. {planned} planned with less GPU working memory "
            f"than recommended: RELION needs at least {gibibytes(self._least(ranks))} per rank."
        )

    def why_no_more(self, threads: int, ranks: int, most: int) -> str:
        """What each rank would need if one more than ``most`` shared the GPU.

        '' if the figure of ``ranks`` ranks, as people read it, tells already that it does not fit.
        """
        each, more = (self.bytes_per_rank(threads, number) for number in (ranks, most + 1))
        if more == each or (most + 1) * _tenths(each) > _tenths(self.usable_bytes or 0):
            return ""
        return f", as each of {most + 1} would need {gibibytes(more)}"

    def refusal(self, least: int, threads: int) -> DoesNotFit:
        """The sentence for a GPU that does not hold ``least`` ranks: numbers, and what helps."""
        assert self.refinement is not None and self.usable_bytes is not None
        lowest = self._least(least)
        what = "This refinement does not fit on the GPU"
        if least > 1:
            what = f"At least {least} followers are needed, and they do not fit on the GPU"
        remedies = self._remedies(least)
        card = lowest * least * 100 / self.usable_percent
        remedies.append(f"a GPU of at least {math.ceil(card * 10 / 2**30) / 10:.1f} GiB")
        return DoesNotFit(
            f"{what}: a rank needs at least {gibibytes(lowest)} "
            f"({described(self.refinement)}, {count(threads, 'thread')}), and the GPU has "
            f"{self._room()}; use {', or '.join(remedies)}."
        )

    def _room(self) -> str:
        room = f"{gibibytes(self.usable_bytes or 0)} usable of {gibibytes(self.gpu_bytes or 0)}"
        return room + self._by_the_job_type

    @property
    def _by_the_job_type(self) -> str:
        return ", which the job type says (adjust_GPU_nproc_to_mem)" if self.of_the_job_type else ""

    def _least(self, ranks: int) -> int:
        """Bytes below which RELION cannot run one of ``ranks`` ranks, with one thread each."""
        return self.least_bytes_per_rank(1, ranks)

    def _remedies(self, ranks: int) -> list[str]:
        """The single changes of the job with which ``ranks`` ranks would fit."""
        refinement, room = self.refinement, self.usable_bytes
        assert refinement is not None and room is not None

        def fits(changed: Refinement, free: float = self.free_gpu_memory) -> bool:
            card = self._replace(refinement=changed, free_gpu_memory=free)
            return ranks * card._least(ranks) <= room

        remedies = []
        if refinement.padding > 1 and fits(replace(refinement, padding=1)):
            remedies.append("--pad 1")
        classes = largest(lambda n: fits(replace(refinement, classes=n)), refinement.classes - 1)
        if classes:
            remedies.append(f"fewer classes (at most {classes})")
        if self.free_gpu_memory and fits(refinement, free=0):
            remedies.append("a lower --free_gpu_memory")
        return remedies


def _tenths(size: int) -> int:
    """Tenths of a GiB, as people read them."""
    return round(size * 10 / 2**30)


def described(refinement: Refinement) -> str:
    """The refinement in words: 'box 256 pixels from X, padding 2, 1 class in 3D'."""
    shape = f"in {refinement.dimensions}D"
    if refinement.bodies > 1:
        shape = f"{refinement.bodies} bodies {shape}"
        if refinement.overlaps_assumed:
            shape += " that are assumed to overlap, as their masks could not be compared"
    else:
        shape = f"{count(refinement.classes, 'class')} {shape}"
    vdam = ", VDAM" if refinement.gradient else ""
    box = f"box {refinement.box} pixels from {refinement.source}"
    if 0 < refinement.current_size < refinement.box:
        box += f", of which the expected resolution needs {refinement.current_size}"
    return f"{box}, padding {refinement.padding:g}, {shape}{vdam}"
