"""What does site.json say of a partition's nodes, where they are alike and where they are not?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ...scheduler.surveyed import SurveyedNode, least
from ...units import MOST_BYTES, bytes_of, count, too_small
from .cards import Card, card_of

__all__ = ["Described", "describe", "size_text"]

_MOST_SHAPES = 8  # listed in a comment


class Described(NamedTuple):
    """The keys of a partition's nodes.

    Attributes:
        keys: as in site.json.
        notes: what an admin should know of them, whole sentences.
        makers: of its cards.
        unknown_cards: the types of cards whose memory nobody told, "" for one without a name.
        card_memory: the least of its cards', bytes; None if not known.
        has_parts_alone: its GPUs are all parts of cards.
        lacks_memory: nobody told how much memory some of its nodes have.
    """

    keys: dict[str, Any]
    notes: tuple[str, ...]
    makers: frozenset[str] = frozenset()
    unknown_cards: tuple[str, ...] = ()
    card_memory: int | None = None
    has_parts_alone: bool = False
    lacks_memory: bool = False

    @property
    def has_gpus(self) -> bool:
        """Whether some of its nodes have GPUs."""
        return any(each.get("gpus") for each in [self.keys, *self.keys.get("nodes", [])])


class _Kind(NamedTuple):
    """Nodes for which a job can ask: by their cards' type, by a feature, or by neither.

    Attributes:
        nodes: those that count.
    """

    gpu_type: str
    feature: str
    card: Card | None
    nodes: list[SurveyedNode]

    @property
    def is_part(self) -> bool:
        """Whether its GPUs are parts of cards."""
        return self.card is not None and self.card.is_part


def describe(nodes: Sequence[SurveyedNode]) -> Described:
    """The keys `cores`, `memory`, `gpus`, `gpu_memory`, or `nodes` with these of each kind.

    A job may count on the least of what nodes of one kind have. Nodes that do not work count only
    if none of their kind does.
    """
    nodes = [node._replace(memory=_possible(node.memory)) for node in nodes]
    every = sorted(_kinds([node for node in nodes if node.gpus]), key=_by_size)
    kinds = [kind for kind in every if not kind.is_part] or every
    others = _counted([node for node in nodes if not node.gpus])
    if kinds:  # a node out of service may not tell its GPUs
        others = [node for node in others if node.works or (node.cores and node.memory)]
    if len(kinds) == 1 and not others:
        keys = {**_keys(kinds[0]), **_asked_by(kinds[0], every)}
    elif kinds:
        listed = [{**_keys(kind), **_asked_by(kind, every)} for kind in kinds]
        keys = {"nodes": [*listed, *([_of_nodes(others)] if others else [])]}
    else:
        keys = _of_nodes(others)
    sizes = [bytes_of(kind.card.memory if kind.card else None, "partition") for kind in kinds]
    return Described(
        keys,
        (*_notes(nodes, every, others), *_of_cards(kinds), *_of_parts(every, kinds)),
        frozenset(kind.card.maker for kind in kinds if kind.card),
        tuple(kind.gpu_type for kind in kinds if not kind.card),
        None if None in sizes else least(*sizes),
        bool(kinds) and all(kind.is_part for kind in kinds),
        any("memory" not in each for each in keys.get("nodes", [keys])),
    )


def _possible(memory: int | None) -> int | None:
    """The size if a node may have it: schedulers say 1 MB where their admin has said nothing."""
    possible = memory is not None and 0 < memory <= MOST_BYTES and not too_small(memory)
    return memory if possible else None


def _counted(nodes: Sequence[SurveyedNode]) -> list[SurveyedNode]:
    """Those that work; all if none does."""
    return [node for node in nodes if node.works] or list(nodes)


def _kinds(nodes: Sequence[SurveyedNode]) -> Iterator[_Kind]:
    """By the type of the cards, or else by the feature that names a card."""
    groups: dict[tuple[str, str], list[SurveyedNode]] = {}
    for node in nodes:
        feature = "" if node.gpu_type else _naming(node)
        groups.setdefault((node.gpu_type, feature), []).append(node)
    for (gpu_type, feature), each in groups.items():
        words = [gpu_type or feature] if gpu_type or feature else []
        words += [word for word in each[0].words if all(word in other.words for other in each)]
        yield _Kind(gpu_type, feature, card_of(words), _counted(each))


def _naming(node: SurveyedNode) -> str:
    return next((feature for feature in node.features if card_of([feature])), "")


def _by_size(kind: _Kind) -> tuple[bool, int, str, str]:
    size = bytes_of(kind.card.memory if kind.card else None, "partition")
    return size is None, size or 0, kind.gpu_type, kind.feature


def _keys(kind: _Kind) -> dict[str, Any]:
    found = _of_nodes(kind.nodes)
    if kind.card and kind.card.memory:
        found["gpu_memory"] = kind.card.memory
    return found


def _of_nodes(nodes: Sequence[SurveyedNode]) -> dict[str, Any]:
    memory = least(*(node.memory for node in nodes))
    found = {
        "cores": least(*(node.cores for node in nodes)),
        "memory": size_text(memory) if memory else None,
        "gpus": min((node.gpus for node in nodes), default=None),
    }
    return {key: value for key, value in found.items() if value or (value == 0 and key == "gpus")}


def _asked_by(kind: _Kind, kinds: Sequence[_Kind]) -> dict[str, str]:
    if len(kinds) == 1:
        return {}
    if re.fullmatch(r"[\w.+-]+", kind.gpu_type):
        return {"gpu_type": kind.gpu_type}
    elsewhere = (n for other in kinds if other is not kind for n in other.nodes)
    alone = kind.feature and all(kind.feature not in node.features for node in elsewhere)
    return {"constraint": kind.feature} if alone else {}


def size_text(size: int) -> str:
    """Bytes as site.json has them: "250G" if that is exact, else whole MiB.

    >>> size_text(250 * 2**30), size_text(250000 * 2**20 + 5)
    ('250G', '250000M')
    """
    return f"{size // 2**20}M" if size % 2**30 else f"{size // 2**30}G"


# Comments


def _notes(
    nodes: Sequence[SurveyedNode], kinds: Sequence[_Kind], others: Sequence[SurveyedNode]
) -> Iterator[str]:
    counted = [node for kind in kinds for node in kind.nodes] + [*others]
    shapes = Counter(map(_shape, counted))
    if len(shapes) > 1:
        listed = [f"{number} with {shape}" for shape, number in shapes.most_common(_MOST_SHAPES)]
        more = len(shapes) - len(listed)
        rest = f"; and {more} more" if more > 0 else ""
        yield f"Its nodes differ: {'; '.join(sorted(listed))}{rest}. Of each kind the least counts."
    if idle := {node.name for node in nodes} - {node.name for node in counted}:
        yield f"{count(len(idle), 'node')} out of service are not counted."
    if not any(node.works for node in nodes):
        yield "None of its nodes works now."
        return
    named = [(f"with {kind.gpu_type or kind.feature or 'GPUs'}", kind.nodes) for kind in kinds]
    for words, each in [*named, ("without GPUs", others)]:
        if each and not any(node.works for node in each):
            yield f"None of its nodes {words} works now. They are described all the same."


def _of_cards(kinds: Sequence[_Kind]) -> Iterator[str]:
    for kind in kinds:
        if kind.card:
            yield f"gpu_memory of {kind.card.name} is a guess, {kind.card.why}."
        else:
            yield f"gpu_memory of {kind.gpu_type or 'its GPUs'} is not known."


def _of_parts(every: Sequence[_Kind], kinds: Sequence[_Kind]) -> Iterator[str]:
    parts = [kind.gpu_type or kind.feature for kind in every if kind not in kinds]
    if parts:
        yield f"Parts of cards are left out: {', '.join(parts)}."


def _shape(node: SurveyedNode) -> str:
    parts = []
    if node.cores is not None:
        parts.append(count(node.cores, "core"))
    if node.memory is not None:
        parts.append(size_text(node.memory))
    if node.gpus:
        named = f" ({node.gpu_type})" if node.gpu_type else ""
        parts.append(count(node.gpus, "GPU") + named)
    return ", ".join(parts) or "nothing that is known"
