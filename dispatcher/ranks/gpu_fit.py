"""How the ranks of a job were fitted to its GPUs: for the job script, and for the record."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..memory.card import MemoryModel
from ..memory.refinement import Refinement
from .rank_fit import RankFit

__all__ = ["GpuFit", "gpu_fit"]


class GpuFit(NamedTuple):
    """What was computed, or in ``not_done`` why nothing was; None for what was not computed.

    Attributes:
        box_size: pixels; ``box_size_source`` says where the box size was found.
        host_memory: bytes that the job takes on its fullest node.
        idle_leader: rank 0 uses no GPU.
        split_halves: RELION needs an odd number of ranks, at least 3.
        ranks_per_gpu: ranks that share each of the ``total_gpus`` GPUs of all nodes.
        nproc: ranks in all.
        least: the fewest ranks per GPU with which RELION runs.
        model: the memory model that counted the bytes.
        free_gpu_memory: MB that each rank is told to leave free on its GPU, if more than the
            command had asked for (``--free_gpu_memory``).
        bytes_per_rank: what a rank takes on its GPU as planned; without MPS it takes
            ``bytes_per_rank_without_mps``, and with ``least_bytes_per_rank`` it still runs; with
            ``least_bytes_sharing`` if it has to share the GPU, though planned ranks need not.
        bytes_on_fewer: what a single process takes on each GPU if it has 1, 2 … of its GPUs.
        usable_percent: the part of a GPU's memory that ranks may take.
    """

    box_size: int | None = None
    box_size_source: str | None = None
    host_memory: int | None = None
    idle_leader: bool | None = None
    split_halves: bool | None = None
    ranks_per_gpu: int | None = None
    nproc: int | None = None
    total_gpus: int | None = None
    least: int | None = None
    free_gpu_memory: int | None = None
    model: MemoryModel | None = None
    bytes_per_rank: int | None = None
    bytes_per_rank_without_mps: int | None = None
    least_bytes_per_rank: int | None = None
    least_bytes_sharing: int | None = None
    bytes_on_fewer: tuple[int, ...] = ()
    usable_percent: int | None = None
    not_done: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The record's ``gpu_fit``: ``model`` (null without one), and all else that is known.

        What holds on fewer GPUs than planned is for the job script alone.
        """
        return {
            name: value
            for name, value in self._asdict().items()
            if name != "bytes_on_fewer" and (value is not None or name == "model")
        }


def gpu_fit(fit: RankFit | None, refinement: Refinement | None, why_not: str) -> GpuFit:
    """What of the fit the job script and the record need; `why_not` is said if there is none.

    `fit` is None for a program without MPI, `refinement` if no box size is known.
    """
    found = GpuFit()
    if refinement:
        found = found._replace(box_size=refinement.box, box_size_source=refinement.source)
    if fit:
        found = found._replace(
            host_memory=fit.host_memory and fit.host_memory.total,
            idle_leader=fit.rules.idle_leader,
            split_halves=fit.rules.split_halves,
        )
    if fit is None or fit.ngpu == 0:
        return found._replace(not_done=why_not)
    found = found._replace(
        ranks_per_gpu=fit.ranks_per_gpu,
        nproc=fit.nproc,
        total_gpus=fit.ngpu * fit.nodes,
        least=fit.least,
        free_gpu_memory=fit.free_gpu_memory,
    )
    if refinement is None:
        return found._replace(not_done=why_not)
    return found._replace(
        model=fit.model,
        bytes_per_rank=fit.bytes_per_rank,
        bytes_per_rank_without_mps=fit.bytes_per_rank_without_mps,
        least_bytes_per_rank=fit.least_bytes_per_rank,
        least_bytes_sharing=fit.least_bytes_sharing or None,
        bytes_on_fewer=fit.bytes_on_fewer,
        usable_percent=fit.usable_percent,
    )
