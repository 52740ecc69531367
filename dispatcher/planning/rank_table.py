"""How many ranks run on smaller GPUs than planned with: a table in which the node looks up its GPU.

The plan's ranks are the most. RELION's rules are those of :mod:`.layouts`. A pure function.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from .layouts import Layout, layouts, least_per_gpu
from .rank_fit import RankFit

__all__ = ["RankRow", "Sharing", "Verdict", "as_lines", "rank_table"]

Sharing = Literal["mps", "shared", "exclusive"]
Verdict = Literal["ok", "tight", "no"]

_MIB = 1 << 20


class RankRow(NamedTuple):
    """What runs if the smallest of the job's GPUs has at least ``least_mib`` MiB.

    ``sharing``: ranks share a GPU through MPS, without MPS, or not at all, as a GPU in exclusive
    mode takes one process without MPS. ``nproc`` ranks in all, ``ranks_per_gpu`` on each GPU, which
    take ``bytes_on_gpu`` there by the model (None if not known). ``verdict``: there is room for
    them; they have less working memory than recommended; or RELION cannot run. Then ``nproc`` is 0,
    and ``ranks_per_gpu`` the fewest that RELION takes.
    """

    sharing: Sharing
    least_mib: int
    nproc: int
    ranks_per_gpu: int
    bytes_on_gpu: int | None
    verdict: Verdict


def rank_table(fit: RankFit, mps: bool) -> tuple[RankRow, ...]:
    """The rows of each way to share a GPU, from the largest card down; `mps`: MPS is planned.

    The first row is the plan itself. For a card whose memory is not known, the first row of its way
    to share holds. ``exclusive`` is left out if no GPU has more than one rank.
    """
    rows = list(_rows(fit, "mps", fit.bytes_per_rank)) if mps else []
    without = fit.bytes_per_rank_without_mps or fit.bytes_per_rank
    rows += _rows(fit, "shared", without)
    if fit.ranks_per_gpu > 1:
        rows += _rows(fit, "exclusive", without)
    return tuple(rows)


def as_lines(rows: Iterable[RankRow]) -> list[str]:
    """The table as the job script has it: a line for each way to share, ``-`` for unknown bytes.

    >>> as_lines([RankRow("mps", 4000, 5, 2, None, "ok"), RankRow("mps", 0, 0, 1, None, "no")])
    ['mps 4000 5 2 - ok, 0 0 1 - no']
    """
    lines: dict[str, list[str]] = {}
    for row in rows:
        size = "-" if row.bytes_on_gpu is None else row.bytes_on_gpu
        text = f"{row.least_mib} {row.nproc} {row.ranks_per_gpu} {size} {row.verdict}"
        lines.setdefault(row.sharing, []).append(text)
    return [f"{sharing} {', '.join(texts)}" for sharing, texts in lines.items()]


def _rows(fit: RankFit, sharing: Sharing, each: int) -> Iterator[RankRow]:
    """The rows of one way to share; `each` is what a rank takes, in bytes, 0 if not known."""
    least = max(fit.least, least_per_gpu(fit.nodes, fit.ngpu, fit.split_halves))
    most = 1 if sharing == "exclusive" else fit.ranks_per_gpu
    if most < least:
        yield RankRow(sharing, 0, 0, least, None, "no")
        return
    rows = [_row(fit, sharing, each, room) for room in range(most, least - 1, -1)]
    if not each:
        yield rows[0]
        return
    for at, row in enumerate(rows, 1):
        if at == len(rows) or rows[at].nproc != row.nproc:  # else the next one says it all
            yield row
    smallest = _card(fit.least_bytes_per_rank * least, fit.usable_percent)
    if smallest < rows[-1].least_mib:
        yield rows[-1]._replace(least_mib=smallest, verdict="tight")
    if smallest:
        yield RankRow(sharing, 0, 0, least, None, "no")


def _row(fit: RankFit, sharing: Sharing, each: int, room: int) -> RankRow:
    """What runs on a GPU that has room for `room` ranks."""
    layout = _layout(fit, room)
    size = each * layout.ranks_per_gpu if each else None
    least = _card(each * room, fit.usable_percent)
    return RankRow(sharing, least, layout.nproc, layout.ranks_per_gpu, size, "ok")


def _layout(fit: RankFit, room: int) -> Layout:
    """The best layout of the planned ranks, or fewer, with at most `room` on a GPU."""
    if fit.nproc == 1 or room >= fit.ranks_per_gpu:
        return Layout(fit.nproc, fit.nodes, fit.ngpu, fit.ranks_per_gpu)
    return next(
        layouts(
            wanted=fit.nproc,
            nodes=fit.nodes,
            gpus=fit.ngpu,
            most_per_gpu=room,
            idle_leader=fit.idle_leader,
            split_halves=fit.split_halves,
        )
    )


def _card(usable: int, percent: int) -> int:
    """MiB of the smallest card of whose memory `percent` are at least `usable` bytes."""
    return -(-usable * 100 // (_MIB * percent))
