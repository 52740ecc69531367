"""Why ranks are spread as they are, a sentence each."""

from __future__ import annotations

from ..memory.card import Card
from ..units import count
from .layouts import Layout

__all__ = ["cap_reason", "layout_reason", "unused_reason"]


def layout_reason(
    layout: Layout, threads: int, wanted: int, ngpu: int, idle_leader: bool, split_halves: bool
) -> str:
    """What was decided: '4 GPUs x 2 followers + 1 leader = 9 ranks, of at most 21.'"""
    nproc = count(layout.nproc, "rank")
    if not layout.gpus:
        odd = split_halves and layout.nproc == wanted - 1
        why = "; split half sets need an odd number" if odd else ""
        return f"{nproc} on CPUs, of at most {wanted}{why}."
    if layout.nproc == 1:
        spread = f"{count(threads, 'thread')} on {layout.gpus} of {count(ngpu, 'GPU')}"
        return f"One process without MPI, {spread}."
    over = f"{layout.nodes} nodes x " if layout.nodes > 1 else ""
    each = count(layout.ranks_per_gpu, "follower" if idle_leader else "rank")
    leader = " + 1 leader" if idle_leader else ""
    return f"{over}{count(layout.gpus, 'GPU')} x {each}{leader} = {nproc}, of at most {wanted}."


def cap_reason(layout: Layout, followers: int, cap: int | None, card: Card, threads: int) -> str:
    """That ``cap`` ranks may share a GPU, where there is room and use for more; else ''."""
    more = followers // (layout.nodes * layout.gpus)
    most = card.most_ranks(threads)
    if most is not None:
        more = min(more, most)
    if cap is None or cap >= more or layout.nproc == 1:
        return ""
    return f"{count(cap, 'rank')} may share a GPU, not {more} (ranks_per_gpu)."


def unused_reason(
    layout: Layout,
    followers: int,
    nodes: int,
    ngpu: int,
    most: int | None,
    split_halves: bool,
) -> str:
    """Why GPUs stay unused, or a follower is left out that a GPU has room for; else ''.

    ``most``: the followers that a GPU has room for; None for any number.
    """
    used, total = layout.nodes * layout.gpus, nodes * ngpu
    if layout.nproc == 1:
        return ""
    if used < total:
        causes = []
        if followers < total:
            causes.append(f"only {count(followers, 'follower')} may run")
        if split_halves and used < followers:
            causes.append("split half sets need an even number of followers, spread evenly")
        return f"{used} of {total} GPUs are used: {', and '.join(causes)}." if causes else ""
    more = used * (layout.ranks_per_gpu + 1)
    has_room = more <= followers and (most is None or layout.ranks_per_gpu < most)
    if split_halves and more % 2 and has_room:
        each = count(layout.ranks_per_gpu + 1, "follower")
        return f"{each} per GPU would make {more + 1} ranks; split half sets need an odd number."
    return ""
