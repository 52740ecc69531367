"""Why ranks are spread as they are, a sentence each; '' if there is nothing to say."""

from __future__ import annotations

from ..memory.card import Card
from ..memory.host_memory import Node
from ..units import count, gibibytes
from .layouts import Layout, RankRules, WantedRanks, layouts
from .named_devices import in_words

__all__ = [
    "cap_reason",
    "cores_reason",
    "fewer_threads_reason",
    "host_memory_reason",
    "layout_reason",
    "left_free_reason",
    "shared_cores_reason",
    "threads_reason",
    "unused_reason",
    "without_mps_reason",
]


def layout_reason(layout: Layout, threads: int, wanted: WantedRanks, rules: RankRules) -> str:
    """What was decided: '4 GPUs x 2 followers + 1 leader = 9 ranks, of at most 21.'"""
    nproc = count(layout.nproc, "rank")
    if not layout.gpus:
        odd = rules.split_halves and layout.nproc == wanted.nproc - 1
        why = "; split half sets need an odd number" if odd else ""
        return f"{nproc} on CPUs, of at most {wanted.nproc}{why}."
    if layout.nproc == 1:
        spread = f"{count(threads, 'thread')} on {layout.gpus} of {count(wanted.ngpu, 'GPU')}"
        if layout.devices:
            spread = f"{count(threads, 'thread')} on {_named(layout)}"
        return f"One process without MPI, {spread}."
    if layout.devices:
        followers = count(layout.nproc - rules.idle_leader, "follower")
        shared = f"up to {count(layout.ranks_per_gpu, 'follower')} on each"
        over = f" of each of {layout.nodes} nodes" if layout.nodes > 1 else ""
        return (
            f"{followers} + 1 leader = {nproc}, of at most {wanted.nproc}, on {_named(layout)}"
            f"{over}, {shared}."
        )
    over = f"{layout.nodes} nodes x " if layout.nodes > 1 else ""
    each = count(layout.ranks_per_gpu, "follower" if rules.idle_leader else "rank")
    leader = " + 1 leader" if rules.idle_leader else ""
    gpus = count(layout.gpus, "GPU")
    return f"{over}{gpus} x {each}{leader} = {nproc}, of at most {wanted.nproc}."


def _named(layout: Layout) -> str:
    return f"{count(layout.gpus, 'GPU')} that the job type names ({in_words(layout.devices)})"


def cores_reason(layout: Layout, passed_over: Layout | None, node: Node) -> str:
    """That the ranks of the layout that was passed over are more than a node has cores."""
    if passed_over is None or not node.cores:
        return ""
    fewer, part = (
        f"{count(layout.nproc, 'rank')} instead of {passed_over.nproc}",
        _part(layout, node),
    )
    return (
        f"{fewer}: {part} belong to the job's {count(layout.gpus, 'GPU')}."
        if part
        else (f"{fewer}: {node.name} has {count(node.cores, 'core')}.")
    )


def _part(layout: Layout, node: Node) -> str:
    """'16 of the 64 cores of a node' if the layout takes a part of its GPUs, else ''."""
    beside = max(node.cores_beside(layout.gpus) or 0, layout.on_fullest_node)
    if not node.cores or beside >= node.cores:
        return ""
    return f"{beside} of the {count(node.cores, 'core')} of {node.name}"


def threads_reason(layout: Layout, passed_over: Layout | None, node: Node) -> str:
    """That each rank of the layout that was passed over would have few of the cores."""
    if passed_over is None or not node.cores:
        return ""
    cores = node.cores_beside(passed_over.gpus) or node.cores
    threads = count(max(1, cores // passed_over.on_fullest_node), "thread")
    return (
        f"{count(layout.nproc, 'rank')} instead of {passed_over.nproc}, which would have only "
        f"{threads} each."
    )


def host_memory_reason(layout: Layout, passed_over: Layout | None, node: Node) -> str:
    """That the layout that was passed over needs more host memory than a node has."""
    need = passed_over and node.needed(passed_over.on_fullest_node)
    if passed_over is None or need is None or node.memory is None:
        return ""
    return (
        f"{count(layout.nproc, 'rank')} instead of {passed_over.nproc}, which would need "
        f"{gibibytes(need.total)} of host memory: {node.has_memory}."
    )


def shared_cores_reason(layout: Layout, most: int, wanted: WantedRanks, node: Node) -> str:
    """That the ranks of a node share its cores, or their part, with ``most`` threads each."""
    threads = None if wanted.threads_open else wanted.nthread
    if not node.cores or (threads is not None and most >= threads):
        return ""
    ranks, part = layout.on_fullest_node, _part(layout, node)
    cores = f"the {count(node.cores, 'core')} of {node.name}"
    if part:
        cores = f"{part}, for {layout.gpus} of its {node.gpus} GPUs"
    fewer = count(most, "thread") + (f" instead of {threads}" if threads else "")
    if ranks == 1:
        has = cores if part else f"{node.name} has {count(node.cores, 'core')}"
        return f"{fewer}: {has}."
    return f"{fewer}{'' if threads else ' each'}: {count(ranks, 'rank')} share {cores}."


def fewer_threads_reason(nthread: int, most: int) -> str:
    """That a rank has fewer threads than the cores allow, as each takes GPU memory."""
    if nthread >= most:
        return ""
    return (
        f"{count(nthread, 'thread')} instead of {most}: the working memory of more threads does "
        "not fit on the GPU beside the references."
    )


def left_free_reason(megabytes: float, given: float) -> str:
    """That each rank leaves more of its GPU free than the command had ``given``, and why."""
    if megabytes <= given:
        return ""
    instead = f" instead of {given:g}" if given else ""
    return (
        f"Each rank leaves {megabytes:g} MB free{instead} (--free_gpu_memory): ranks that share a "
        "GPU count its free memory before all of them have taken theirs."
    )


def without_mps_reason(card: Card, ranks: int) -> str:
    """That ``ranks`` ranks share a GPU without MPS, as they need more there through MPS."""
    through = card.leaving_free(1, ranks)
    need = gibibytes(through.least_bytes_per_rank(1, ranks))
    return (
        f"{count(ranks, 'rank')} share a GPU without MPS: through MPS, each would need at "
        f"least {need} there, with {through.free_gpu_memory:g} MB left free (--free_gpu_memory), "
        "and they would not fit."
    )


def cap_reason(layout: Layout, wanted: WantedRanks, rules: RankRules, room: int | None) -> str:
    """That a cap keeps ranks from a GPU which has room and use for more.

    ``room``: the ranks for which a GPU has memory; None for any number.
    """
    cap = wanted.most_per_gpu
    more = (wanted.nproc - rules.idle_leader) // (layout.nodes * layout.gpus)
    if layout.devices:
        more = next(layouts(wanted.on_any_gpu, rules), layout).ranks_per_gpu
    if room is not None:
        more = min(more, room)
    if cap is None or cap >= more or layout.nproc == 1:
        return ""
    if cap == wanted.learned_per_gpu:
        return (
            f"At most {count(cap, 'rank')} may share a GPU, not {more}: more have filled its "
            "memory in an earlier run of this job."
        )
    if cap != wanted.ranks_per_gpu:
        return f"At most {count(cap, 'rank')} may share a GPU through MPS, not {more}."
    return f"At most {count(cap, 'rank')} may share a GPU, not {more} (ranks_per_gpu)."


def unused_reason(layout: Layout, wanted: WantedRanks, rules: RankRules, room: int | None) -> str:
    """Why GPUs stay unused, or a follower is left out for which a GPU has room.

    ``room``: the ranks for which a GPU has memory; None for any number.
    """
    used, total = layout.nodes * layout.gpus, wanted.nodes * wanted.ngpu
    followers = wanted.nproc - rules.idle_leader
    if layout.nproc == 1 or layout.devices:
        return ""
    if used < total:
        causes = []
        if followers < total:
            causes.append(f"only {count(followers, 'follower')} may run")
        if rules.split_halves and used < followers:
            causes.append(
                "split half sets need an even number of followers, the same number on each GPU"
            )
        return f"{used} of {total} GPUs are used: {', and '.join(causes)}." if causes else ""
    each = layout.ranks_per_gpu + 1
    bounds = [most for most in (wanted.most_per_gpu, room) if most is not None]
    has_room = used * each <= followers and all(each <= most for most in bounds)
    if rules.split_halves and used * each % 2 and has_room:
        return (
            f"{count(each, 'follower')} per GPU would make {used * each + 1} ranks; split half "
            "sets need an odd number."
        )
    return ""
