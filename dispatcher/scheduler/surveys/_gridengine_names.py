"""What does a Grid Engine call the things that jobs ask for? Guessed from what hosts offer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..surveyed import size_in_bytes
from ._gridengine_values import Table, every_value, offers, words

__all__ = ["Names", "complexes_of", "names_of"]

_COUNTS_GPUS = re.compile(r"n?_?(gpus?|cuda|nvidia).*", re.IGNORECASE)
_GPU_TYPE = re.compile(r"(gpu|cuda)_?(type|model|name|arch|card).*", re.IGNORECASE)
_OF_THREADS = ("smp", "openmp", "threads", "shared", "shm", "multicore")
_MEMORY = re.compile(r"mem|ram|rss", re.IGNORECASE)
# Not virtual memory, of which CUDA maps far more than it uses, and no memory of disks or cards.
_NO_MEMORY = re.compile(
    r"vmem|disk|scratch|tmp|swap|fsize|stack|[hs]_core|gpu|cuda|vram", re.IGNORECASE
)


class Names(NamedTuple):
    """What the site calls things; "" for what it does not have."""

    environment: str
    gpus: str
    gpu_type: str
    memory: str


def names_of(
    complexes: Mapping[str, list[str]],
    hosts: Sequence[Table],
    environments: Iterable[Table],
    queues: Sequence[Table],
) -> Names:
    """The names, from what ``qconf`` shows by -sc, -se, -sp and -sq."""
    values = [v for q in queues for v in every_value(q.get("complex_values", ""))]
    offered = [*(offers(host.get("complex_values", "")) for host in hosts), *map(offers, values)]
    return Names(
        _environment(environments, queues),
        _counter_of_gpus(complexes, offered),
        _first(_GPU_TYPE, complexes, offered, ("STRING", "CSTRING", "RESTRING")),
        _memory(complexes, offered, hosts),
    )


def complexes_of(text: str) -> dict[str, list[str]]:
    """By name: shortcut, type, relation, requestable, consumable, default, urgency."""
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {row[0]: row[1:] for row in rows if len(row) >= 7}


def _requested(complexes: Mapping[str, list[str]], kinds: Sequence[str]) -> Iterator[str]:
    for name, (_, kind, _, requestable, *_) in sorted(complexes.items()):
        if kind in kinds and requestable != "NO":
            yield name


def _first(
    pattern: re.Pattern[str],
    complexes: Mapping[str, list[str]],
    offered: Iterable[Table],
    kinds: Sequence[str],
) -> str:
    there = {name for each in offered for name in each}
    names = _requested(complexes, kinds)
    return next((name for name in names if pattern.fullmatch(name) and name in there), "")


def _counter_of_gpus(complexes: Mapping[str, list[str]], offered: Sequence[Table]) -> str:
    counted = {name: row for name, row in complexes.items() if row[4] in ("JOB", "HOST")}
    kinds = ("INT", "RSMAP", "DOUBLE")
    slots = {name: row for name, row in complexes.items() if row[4] == "YES"}
    return _first(_COUNTS_GPUS, counted, offered, kinds) or _first(
        _COUNTS_GPUS, slots, offered, kinds
    )


def _memory(
    complexes: Mapping[str, list[str]], offered: Sequence[Table], hosts: Sequence[Table]
) -> str:
    """What counts memory, by its name and by how much of it hosts offer."""
    there = {name for each in offered for name in each}
    consumed = {name: row for name, row in complexes.items() if row[4] != "NO" and name in there}
    ranked = [
        (not is_like, not _MEMORY.search(name), name)
        for name in _requested(consumed, ["MEMORY"])
        if not _NO_MEMORY.search(name)
        for is_like in [_is_like_memory(name, hosts)]
        if is_like or _MEMORY.search(name)
    ]
    return min(ranked)[-1] if ranked else ""


def _is_like_memory(name: str, hosts: Sequence[Table]) -> bool:
    """Whether a host offers about as much of it as the host has memory."""
    for host in hosts:
        offer = size_in_bytes(offers(host.get("complex_values", "")).get(name, ""))
        total = size_in_bytes(offers(host.get("load_values", "")).get("mem_total", ""))
        if offer and total and 0.5 <= offer / total <= 1.25:
            return True
    return False


def _environment(environments: Iterable[Table], queues: Iterable[Table]) -> str:
    """A parallel environment whose slots are all on one host, which most queues have."""
    lists = [
        [name for value in every_value(queue.get("pe_list", "")) for name in words(value)]
        for queue in queues
    ]
    names = {each["pe_name"] for each in environments if each.get("allocation_rule") == "$pe_slots"}
    usual = {name: at for at, name in enumerate(_OF_THREADS)}
    ranked = sorted(
        names, key=lambda name: (-sum(name in each for each in lists), usual.get(name, 99), name)
    )
    return ranked[0] if ranked else ""
