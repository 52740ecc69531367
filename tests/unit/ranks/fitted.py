"""Fits of a Refine3D on four GPUs of 30 GiB, and cards for it."""

import math
from dataclasses import replace
from typing import TypeVar

from dispatcher.memory.card import Card
from dispatcher.memory.host_memory import Node
from dispatcher.memory.refinement import Refinement
from dispatcher.ranks.layouts import RankRules, WantedRanks
from dispatcher.ranks.rank_fit import RankFit, fit_ranks

GPU = 32_212_254_720  # bytes; 30 GiB, the card of the established FMI format's examples
REFINE = Refinement(box=256, source="particles.star, optics group 1", auto_refine=True)
ANY_NODE = Node()
V = TypeVar("V", WantedRanks, RankRules, Card, Node)


def refine(box: int = 256, *, node: Node = ANY_NODE, **changes: object) -> RankFit:
    """A Refine3D on four GPUs of 30 GiB; ``changes`` are fields of what goes into a fit."""

    def changed(value: V) -> V:
        return value._replace(**{n: changes.pop(n) for n in value._fields if n in changes})

    wanted = changed(WantedRanks(21, 4, ngpu=4))
    rules = changed(RankRules(split_halves=True))
    card = changed(Card(GPU, replace(REFINE, box=box)))
    node = changed(node)
    assert not changes
    return fit_ranks(wanted, rules, card, node)


def card_for(followers: float, refinement: Refinement = REFINE, threads: int = 4) -> int:
    """Bytes of a card that holds this many followers of ``refinement``."""
    each = Card(None, refinement).bytes_per_rank(threads, math.ceil(followers))
    return math.ceil(followers * each / 0.97) + 1


def least_card_for(followers: float, refinement: Refinement = REFINE) -> int:
    """Bytes of the smallest card on which this many followers may run at all."""
    least = Card(None, refinement).least_bytes_per_rank(1, math.ceil(followers))
    return math.ceil(followers * least / 0.97) + 1
