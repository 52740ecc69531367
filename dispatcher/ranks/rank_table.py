"""How many ranks run on GPUs smaller than planned: a row for each size that makes a difference.

The plan's ranks are the most. RELION's rules are those of :mod:`.layouts`. A pure function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from .gpu_fit import GpuFit
from .layouts import Layout, RankRules, WantedRanks, layouts, least_per_gpu

__all__ = ["RankRow", "Sharing", "Verdict", "rank_table"]

Sharing = Literal["mps", "shared", "exclusive"]
Verdict = Literal["ok", "tight", "no"]

_MIB = 1 << 20


class RankRow(NamedTuple):
    """What runs if the smallest of the job's GPUs has at least ``least_mib`` MiB.

    ``sharing``: ranks share a GPU through MPS, without MPS, or not at all, as a GPU in exclusive
    mode takes one process without MPS. ``nproc`` ranks in all, ``ranks_per_gpu`` on each GPU, which
    take ``bytes_on_gpu`` there by the model (None if not known). ``verdict``: there is room for
    them; they have less working memory than recommended; or RELION cannot run. Then ``nproc`` is 0,
    and ``ranks_per_gpu`` the fewest that RELION takes. ``gpus`` are those of each node that the
    ranks use.
    """

    sharing: Sharing
    least_mib: int
    nproc: int
    ranks_per_gpu: int
    bytes_on_gpu: int | None
    verdict: Verdict
    gpus: int = 0


def rank_table(planned: Layout, fit: GpuFit, mps: bool, threads: int = 1) -> tuple[RankRow, ...]:
    """The rows of each way to share a GPU, from the largest card down; `mps`: MPS is planned.

    ``threads`` of each rank count where they go round devices that a job type has named.

    The first row is the plan itself. For a card whose memory is not known, the first row of its way
    to share holds. ``exclusive`` is left out if no GPU has more than one rank.
    """
    size = fit.bytes_per_rank or 0
    rows = list(_rows(planned, fit, "mps", size, threads)) if mps else []
    without = fit.bytes_per_rank_without_mps or size
    rows += _rows(planned, fit, "shared", without, threads)
    if planned.ranks_per_gpu > 1:
        rows += _rows(planned, fit, "exclusive", without, threads)
    return tuple(rows)


def _rows(
    planned: Layout, fit: GpuFit, sharing: Sharing, size: int, threads: int
) -> Iterator[RankRow]:
    """The rows of one way to share; a rank takes `size` bytes, 0 if not known."""
    rules = RankRules(idle_leader=bool(fit.idle_leader), split_halves=bool(fit.split_halves))
    wanted = WantedRanks(
        planned.nproc, threads, planned.gpus, planned.nodes, devices=planned.devices
    )
    least = max(fit.least or 1, least_per_gpu(wanted, rules))
    most = 1 if sharing == "exclusive" else planned.ranks_per_gpu
    percent = fit.usable_percent or 100
    if most < least:
        yield RankRow(sharing, 0, 0, least, None, "no")
        return
    rows = []
    for room in range(most, least - 1, -1):
        layout = planned
        if planned.nproc > 1 and room < planned.ranks_per_gpu:
            layout = next(layouts(wanted._replace(ranks_per_gpu=room), rules))
        each = layout.ranks_per_gpu
        taken = size * each if size else None
        smallest = _card(size * room, percent)
        rows.append(RankRow(sharing, smallest, layout.nproc, each, taken, "ok", layout.gpus))
    if not size:
        yield rows[0]
        return
    for at, row in enumerate(rows, 1):
        if at == len(rows) or rows[at].nproc != row.nproc:  # else the next one says it all
            yield row
    lowest = fit.least_bytes_per_rank or 0
    if least > (fit.least or 1):  # ranks have to share a GPU, against the plan
        lowest = fit.least_bytes_sharing or lowest
    smallest = _card(lowest * least, percent)
    if smallest < rows[-1].least_mib:
        yield rows[-1]._replace(least_mib=smallest, verdict="tight")
    if smallest:
        yield RankRow(sharing, 0, 0, least, None, "no")


def _card(usable: int, percent: int) -> int:
    """MiB of the smallest card of whose memory `percent` are at least `usable` bytes."""
    return -(-usable * 100 // (_MIB * percent))
