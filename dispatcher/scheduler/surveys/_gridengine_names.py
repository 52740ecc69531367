"""What does a Grid Engine call the things that jobs ask for? Guessed from what hosts offer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

__all__ = ["Names", "Table", "complexes_of", "names_of", "offers", "words"]

_NONE = ("", "NONE", "INFINITY", "UNDEFINED")
_COUNTS_GPUS = re.compile(r"n?_?(gpus?|cuda|nvidia).*", re.IGNORECASE)
_GPU_TYPE = re.compile(r"(gpu|cuda)_?(type|model|name|arch|card).*", re.IGNORECASE)
_OF_THREADS = ("smp", "openmp", "threads", "shared", "shm", "multicore")

Table: TypeAlias = Mapping[str, str]  # what qconf shows of one thing


class Names(NamedTuple):
    """What the site calls things; "" for what it does not have."""

    environment: str
    gpus: str
    gpu_type: str
    memory: str


def names_of(
    complexes: Mapping[str, list[str]],
    offered: Sequence[Table],
    environments: Iterable[Table],
    queues: Iterable[Table],
) -> Names:
    """The names, from what ``qconf`` shows by -sc, -se and -sq, -sp, and -sq."""
    return Names(
        _environment(environments, queues),
        _counter_of_gpus(complexes, offered),
        _first(_GPU_TYPE, complexes, offered, ("STRING", "CSTRING", "RESTRING")),
        _memory(complexes, offered),
    )


def complexes_of(text: str) -> dict[str, list[str]]:
    """By name: shortcut, type, relation, requestable, consumable, default, urgency."""
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {row[0]: row[1:] for row in rows if len(row) >= 7}


def _plain(value: str) -> str:
    """A queue's value where no host has its own: ``32,[node1=16]``."""
    return re.sub(r",?\[[^]]*\]", "", value).strip()


def words(value: str) -> list[str]:
    value = _plain(value)
    return [] if value in _NONE else re.split(r"[\s,]+", value)


def offers(table: Table) -> dict[str, str]:
    """The complex_values of a host or queue: ``slots=32,gpu=4(0 1 2 3),ram=250G``."""
    pairs = _plain(table.get("complex_values", "")).split(",")
    return {
        name.strip(): value.strip()
        for name, found, value in (p.partition("=") for p in pairs)
        if found
    }


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


def _memory(complexes: Mapping[str, list[str]], offered: Sequence[Table]) -> str:
    """What counts memory. Not virtual memory, of which CUDA maps far more than it uses."""
    there = {name for each in offered for name in each}
    consumed = {name: row for name, row in complexes.items() if row[4] != "NO" and name in there}
    names = (name for name in _requested(consumed, ["MEMORY"]) if "vmem" not in name)
    return next(names, "")


def _environment(environments: Iterable[Table], queues: Iterable[Table]) -> str:
    """A parallel environment whose slots are all on one host, which most queues have."""
    lists = [words(queue.get("pe_list", "")) for queue in queues]
    names = {each["pe_name"] for each in environments if each.get("allocation_rule") == "$pe_slots"}
    usual = {name: at for at, name in enumerate(_OF_THREADS)}
    ranked = sorted(
        names, key=lambda name: (-sum(name in each for each in lists), usual.get(name, 99), name)
    )
    return ranked[0] if ranked else ""
