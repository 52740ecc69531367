"""How many ranks of a refinement share a GPU, and what one of them takes there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..memory import gpu_memory
from ..memory.card import Card
from ..memory.gpu_pool import pool_bytes

__all__ = ["Answer", "answer"]


@dataclass(frozen=True)
class Answer:
    """Bytes of one rank, and how many ranks share the GPU.

    ``free_gpu_memory``: MB that each of ``ranks_per_gpu`` ranks leaves free: what the command says,
    or more if their race for the pool asks for it.
    ``usable_bytes`` is None if the GPU's memory is not known. ``ranks_per_gpu`` is None then, too,
    and if memory sets no limit, because alignment is skipped. With fewer than
    ``least_bytes_per_rank`` RELION cannot run. ``small_pool``: not even one rank gets as much
    working memory as recommended, but one can run.
    """

    model: str
    fixed_bytes_per_rank: int
    allocated_bytes_per_rank: int
    pool_bytes_per_rank: int
    free_gpu_memory: float
    bytes_per_rank: int
    least_bytes_per_rank: int
    usable_bytes: int | None
    ranks_per_gpu: int | None
    small_pool: bool = False

    def as_json(self) -> dict[str, Any]:
        """All of it, by name; bytes as numbers."""
        return asdict(self)


def answer(card: Card, threads: int) -> Answer:
    """What a rank with so many threads takes on the card if as many as fit share it.

    ``card`` names a refinement. Several ranks share the card through MPS if it is on; one alone
    never needs it.
    """
    refinement, hardware = card.refinement, card.hardware
    assert refinement is not None
    least = card._replace(memory_model="relion").least_bytes_per_rank()
    ranks, usable, small_pool = card.most_ranks(threads), card.usable_bytes, False
    if card.memory_model == "relion" and usable is not None and ranks is not None and ranks < 2:
        small_pool = least <= usable < card.bytes_per_rank(threads, 1)
        ranks = int(least <= usable)
    sharing = ranks or 1
    return Answer(
        model=card.memory_model,
        fixed_bytes_per_rank=gpu_memory.fixed_bytes_per_rank(refinement),
        allocated_bytes_per_rank=gpu_memory.allocated_bytes_per_rank(refinement, hardware),
        pool_bytes_per_rank=pool_bytes(refinement, threads, hardware, card.relion_version),
        free_gpu_memory=card.left_free(threads, sharing),
        bytes_per_rank=card.bytes_per_rank(threads, sharing),
        least_bytes_per_rank=least,
        usable_bytes=usable,
        ranks_per_gpu=ranks,
        small_pool=small_pool,
    )
