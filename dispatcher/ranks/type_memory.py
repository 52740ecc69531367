"""How many ranks of a program whose memory is not computed does a node hold?

A job type says what a rank takes (``mem_per_rank``), where nobody has chosen how many there are.
Else what it asks for (``mem``) is meant for all its ranks, and is taken to be the same for each.
Both are round numbers and no measurements: every GPU keeps a rank, and RELION its least.
"""

from __future__ import annotations

from ..memory.host_memory import Node
from ..units import count, gibibytes, read_size
from .layouts import RankRules, WantedRanks, layouts

__all__ = ["ranks_in_type_memory"]

# A machine shows up to a sixteenth less memory than it was sold with, as firmware and kernel keep
# some: 62 GiB of 64 GiB. Job types name what machines are sold with.
_SHOWN = 15 / 16


def ranks_in_type_memory(wanted: WantedRanks, rules: RankRules, node: Node) -> tuple[int, str]:
    """The ranks for which the job type's memory is there, and a sentence if not for all.

    No limit for a refinement of known size (`Node.holds` sees to that), nor by the ``mem`` of all
    ranks on other machines (the scheduler does), nor by a ``mem`` that names no unit.
    """
    nproc = wanted.nproc
    if node.refinement or not rules.mpi or node.memory is None or nproc == 1:
        return nproc, ""
    shown = _SHOWN if node.is_this_machine and not node.asked_for else 1
    memory = int(node.memory / shown)
    counts = node.is_this_machine or node.asked_for
    size = read_size(wanted.mem) if wanted.mem and counts else None
    if wanted.mem_per_rank:
        room = memory * wanted.nodes // wanted.mem_per_rank
        has = gibibytes(node.memory)
        why = f"a rank has {gibibytes(wanted.mem_per_rank)} of memory (mem_per_rank)"
    elif size and size.unit > 1 and size.number:
        room = int(memory * nproc // (size.number * size.unit))
        has = f"{node.memory / size.unit:.1f}".removesuffix(".0") + size.name
        why = f"the job type has {wanted.mem} of memory for {nproc} ranks"
    else:
        return nproc, ""
    possible = _with_all_gpus(wanted, rules)
    most, least = max(possible, default=nproc), min(possible, default=nproc)
    ranks = max((each for each in possible if each <= room), default=least)
    if ranks == most <= room:
        return nproc, ""
    said = count(ranks, "rank") + (f" instead of {most}" if ranks < most else "")
    why = f"{why}, and {node.has_memory if node.asked_for else f'{node.name} has {has}'}"
    if ranks <= room:
        return ranks, f"{said}: {why}."
    fewest = "use all GPUs" if wanted.ngpu > 1 else "RELION can run with"
    return ranks, f"{said}, the fewest that {fewest}: {why}, so the job may run out of memory."


def _with_all_gpus(wanted: WantedRanks, rules: RankRules) -> list[int]:
    """The numbers of ranks that RELION takes with as many GPUs as all wanted ranks would use."""
    possible = list(layouts(wanted, rules))
    numbers = [
        layout.nproc
        for layout in possible
        if (layout.nodes, layout.gpus) == (possible[0].nodes, possible[0].gpus)
    ]
    # Without half sets, and on one GPU at most, a single process will do.
    return numbers if rules.split_halves or wanted.ngpu > 1 else [*numbers, 1]
