"""How many ranks of a refinement share a GPU: an admin's question, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..config.gpu_constants import HARDWARE, HardwareConstants
from ..memory import gpu_memory, sampling
from ..memory.card import Card, MemoryModel
from ..memory.gpu_pool import pool_bytes
from ..memory.refinement import Refinement
from ..memory.sampling import Search

__all__ = ["Answer", "Question", "answer", "refinement"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A refinement, and how it is to run.

    ``gpu_bytes`` None: any GPU. ``free_gpu_memory`` in MB, as RELION's option. ``relion_version``
    None: not known, the hungriest. ``model``: the memory model that counts the ranks.
    """

    refinement: Refinement
    gpu_bytes: int | None = None
    threads: int = 4
    free_gpu_memory: float = 0
    relion_version: tuple[int, int] | None = None
    mps: bool = True
    model: MemoryModel = "relion"
    hardware: HardwareConstants = field(default_factory=lambda: HARDWARE)


@dataclass(frozen=True)
class Answer:
    """Bytes of one rank, and how many ranks share the GPU.

    ``usable_bytes``: None where no GPU is given; ``ranks_per_gpu`` nor where there is no limit, as
    when alignment is skipped. ``least_bytes_per_rank``: below which RELION runs none.
    ``small_pool``: not even one has the working pool that it likes, and one may run nevertheless.
    """

    model: str
    fixed_bytes_per_rank: int
    allocated_bytes_per_rank: int
    pool_bytes_per_rank: int
    bytes_per_rank: int
    least_bytes_per_rank: int
    usable_bytes: int | None
    ranks_per_gpu: int | None
    small_pool: bool = False

    def as_json(self) -> dict[str, Any]:
        """All of it, by name; bytes as numbers."""
        return dict(vars(self))


def answer(question: Question) -> Answer:
    """What one rank takes, and how many fit. With more than one rank, through MPS if it is on."""
    refinement, hardware, threads = question.refinement, question.hardware, question.threads
    card = Card(
        question.gpu_bytes,
        refinement,
        memory_model=question.model,
        free_gpu_memory=question.free_gpu_memory,
        relion_version=question.relion_version,
        mps=question.mps,
        hardware=hardware,
    )
    alone = card._replace(mps=False)
    least = alone._replace(memory_model="relion").least_bytes_per_rank()
    ranks, usable, small_pool = card.most_ranks(threads), card.usable_bytes, False
    if question.model == "relion" and ranks is not None and ranks < 2:  # one needs no daemon
        card = alone
        assert usable is not None
        small_pool = least <= usable < card.bytes_per_rank(threads)
        ranks = int(least <= usable)
    return Answer(
        model=question.model,
        fixed_bytes_per_rank=gpu_memory.fixed_bytes_per_rank(refinement),
        allocated_bytes_per_rank=gpu_memory.allocated_bytes_per_rank(refinement, hardware),
        pool_bytes_per_rank=pool_bytes(refinement, threads, hardware, question.relion_version),
        bytes_per_rank=card.bytes_per_rank(threads),
        least_bytes_per_rank=least,
        usable_bytes=usable,
        ranks_per_gpu=ranks,
        small_pool=small_pool,
    )


def refinement(
    box: int,
    *,
    dimensions: int = 3,
    classes: int = 1,
    bodies: int = 1,
    overlaps: int | None = None,
    padding: float = 2,
    gradient: bool = False,
    auto_refine: bool = False,
    skip_align: bool = False,
    blush: bool = False,
    subtomograms: bool = False,
    healpix_order: int = 2,
    finest_order: int | None = None,
    psi_step: float = -1,
    offset_range: float = 5,
    offset_step: float = 2,
    symmetry: str = "C1",
    maxsig: int = 0,
) -> Refinement:
    """A refinement without files; defaults are those of RELION's window.

    ``overlaps``: projectors for overlapping bodies, None for all pairs. ``finest_order``: of the
    global searches of an auto-refinement. Several bodies search locally, for which no sampling is
    counted. Angles in degrees, offsets in pixels.
    """
    finest = healpix_order if finest_order is None or dimensions == 2 else finest_order
    most = maxsig or ((5 if dimensions == 2 else 100) * classes if gradient else 0)
    search = Search(
        first=sampling.orientations(dimensions, healpix_order, psi_step, symmetry),
        finest=sampling.orientations(
            dimensions, finest, psi_step if finest == healpix_order else -1, symmetry
        ),
        shifts=sampling.shifts(offset_range, offset_step, 3 if subtomograms else 2),
        rotation_factor=8 if dimensions == 3 else 2,
        shift_factor=8 if subtomograms else 4,
        significant=most,
    )
    return Refinement(
        box=box,
        source="the question",
        dimensions=dimensions,
        data_dimensions=3 if subtomograms else 2,
        classes=1 if bodies > 1 else classes,
        bodies=bodies,
        padding=int(padding) if padding == int(padding) else padding,
        gradient=gradient,
        auto_refine=auto_refine,
        body_overlaps=bodies * (bodies - 1) if overlaps is None else overlaps,
        search=Search() if bodies > 1 or skip_align else search,
        skips_alignment=skip_align,
        blush=blush,
    )
