"""How much memory has a card of that name? From the shipped table, config/gpu_cards.json."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ...config.gpu_vendors import VENDORS, GpuName
from ...config.json_files import load, read_json, strict
from ...config.places import shipped_folder
from ...units import bytes_of

__all__ = ["Card", "CardRow", "card_of", "read_cards"]

_GIB = 2**30
_OF_PART = re.compile(r"(?<![a-z0-9.])\dg[. ]?(\d{1,3})gi?b?(?![a-z0-9])")  # 1g.10gb
_OF_PART_OF_CARD = re.compile(r"(?<![a-z0-9.])\dg?\.(\d{1,3})(?![a-z0-9.])")  # h100_1.10
_SIZE = re.compile(r"(?<![a-z0-9.])(\d{1,3})(?:gi?b|g)(?![a-z0-9.])")
_NUMBER = re.compile(r"(?<![a-z0-9.])(\d{2,3})(?![a-z0-9.])")
_BEFORE, _AFTER = r"(?<![a-z0-9])", r"(?=$|[^a-z0-9]|sxm|pcie|nvl|x\d)"
_SHOWN = 0.95  # of its nominal size a card, or a part of one, shows at least
_MOST_OF_PART = 0.6  # of a card's memory a part has at most


class Card(NamedTuple):
    """What is known of a card by its name.

    Attributes:
        name: the word that told it.
        memory: as site.json has it; None if the table does not have the card.
        maker: a key of :data:`dispatcher.config.gpu_vendors.VENDORS`.
        why: where the memory is from, one clause.
        is_part: it is a part of a card (MIG), of which a process sees one.
    """

    name: str
    memory: str | None
    maker: str
    why: str
    is_part: bool = False


@strict
class CardRow:
    """Cards of one maker that have the same memory.

    Attributes:
        names: what the name that a scheduler has for such a card contains, without blanks and
            dashes.
        memory: what the driver shows as the card's total ("24576M"), the least first.
    """

    names: list[str]
    memory: list[str]


@strict
class _CardTable:
    makers: dict[GpuName, list[CardRow]]


def card_of(words: Iterable[str]) -> Card | None:
    """The card that the first of these words names that names one; None if none does.

    >>> [card_of([name]).memory for name in ("a100", "nvidia_a100-sxm4-80gb", "GeForceRTX2080Ti")]
    ['40960M', '81920M', '11016M']
    >>> card_of(["1g.10gb"]).memory
    '9728M'
    """
    return next(filter(None, map(_card, words)), None)


def _card(word: str) -> Card | None:
    text = re.sub(r"[^a-z0-9.]+", " ", word.lower()).strip()
    if part := _OF_PART.search(text):
        return _part(word, int(part[1]))
    for name, pattern, maker, sizes in _table():
        if not pattern.search(text):
            continue
        rest = pattern.sub(" ", text)
        part, told, number = (each.search(rest) for each in (_OF_PART_OF_CARD, _SIZE, _NUMBER))
        if part and VENDORS[maker].parts:
            return _part(word, int(part[1]))
        if told and (smaller := _smaller(word, name, maker, sizes[0], int(told[1]))):
            return smaller
        size = int(told[1]) if told else int(number[1]) if number else None
        return _of_sizes(word, name, maker, sizes, size)
    return None


def _part(word: str, size: int) -> Card:
    maker = next(vendor.name for vendor in VENDORS.values() if vendor.parts)
    return Card(word, _nominal(size), maker, "the size of such a part of a card", True)


def _smaller(word: str, name: str, maker: str, least: str, size: int) -> Card | None:
    """A card that has clearly less than all of that name: most likely a part of one."""
    if not 0 < size < _gib(least) - _tolerance(size):
        return None
    if VENDORS[maker].parts and size <= _MOST_OF_PART * _gib(least):
        return _part(word, size)
    return Card(
        word, _nominal(size), maker, f"the size in its name; cards of the name {name} have {least}"
    )


def _tolerance(size: int) -> float:
    return max(1, size / 8)


def _of_sizes(word: str, name: str, maker: str, sizes: list[str], size: int | None) -> Card:
    near = [each for each in sizes if size and abs(_gib(each) - size) <= _tolerance(size)]
    if near:
        return Card(word, near[0], maker, f"as a card of the name {name} with {size} GB shows it")
    if len(sizes) == 1:
        return Card(word, sizes[0], maker, f"as cards of the name {name} show it")
    others = ", ".join(sizes[1:])
    return Card(
        word, sizes[0], maker, f"the least of cards of the name {name}; others have {others}"
    )


def _gib(size: str) -> float:
    return (bytes_of(size, "gpu_cards.json") or 0) / _GIB


def _nominal(gibibytes: int) -> str:
    return f"{int(gibibytes * 1024 * _SHOWN)}M"


def read_cards(path: Path) -> dict[GpuName, list[CardRow]]:
    """The cards of each maker, from a file such as config/gpu_cards.json.

    Raises:
        ConfigError: it cannot be read, or says something that is not known.
    """
    return load(_CardTable, {"makers": read_json(path)}, str(path)).makers


@functools.cache
def _table() -> list[tuple[str, re.Pattern[str], str, list[str]]]:
    """Name, pattern, maker and sizes of each card; longer names first."""
    makers = read_cards(shipped_folder() / "config" / "gpu_cards.json")
    rows = [
        (name, _pattern(name), maker, card.memory)
        for maker, cards in makers.items()
        for card in cards
        for name in card.names
    ]
    return sorted(rows, key=lambda row: (-len(row[0]), row[0]))


def _pattern(name: str) -> re.Pattern[str]:
    """Of the name with blanks where letters and digits meet, behind the maker's words or none."""
    parts = re.findall(r"[a-z]+|\d+", name)
    makers = r"(?:nvidia|amd|intel|geforce|quadro|tesla|instinct|rtx|gtx| )*"
    return re.compile(_BEFORE + makers + " ?".join(parts) + _AFTER)
