"""Text of an explanation: sections of lines, whose pieces know what they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

__all__ = ["Line", "Mark", "Piece", "Section", "line", "sentences"]

Mark = Literal["", "strong", "removed", "added", "good", "bad"]


class Piece(NamedTuple):
    """A part of a line, and what it is."""

    text: str
    mark: Mark = ""


Line = tuple[Piece, ...]


class Section(NamedTuple):
    """What is said about one question; each line is wrapped by itself."""

    title: str
    lines: tuple[Line, ...]


def line(text: str, mark: Mark = "") -> Line:
    """A line of one piece."""
    return (Piece(text, mark),)


def sentences(found: Iterable[str]) -> Line | None:
    """Sentences as one paragraph; None if there are none."""
    text = " ".join(found)
    return line(text) if text else None
