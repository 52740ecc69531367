"""The commands of a job with what was changed in them, and what starts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..jobs import entries
from .changed_words import ChangedWords, changed_words
from .lines import Line, Piece, line

__all__ = ["command_lines"]


def command_lines(plan: Mapping[str, Any]) -> Iterator[Line]:
    """Two lines for each command of a plan or record: its words, and what starts it.

    Raises:
        ValueError: the record has no such commands.
    """
    before = entries.texts(plan, "original_commands") or ()
    after = entries.objects_of(plan, "commands") or []
    image = entries.text(entries.object_of(plan, "image") or {}, "path") or ""
    for was, now in zip(before, after, strict=False):
        shell = entries.text(now, "shell") or ""
        try:
            words = changed_words(was, shell)
        except (InputError, IndexError, ValueError) as error:  # a quote that stays open, no words
            raise ValueError(f"{(was or shell)[:100]!r} is no command") from error
        yield _marked(words)
        if prefix := entries.texts(now, "prefix"):
            yield line(f"started by: {_shortly(prefix, image)}")


def _marked(words: Iterable[ChangedWords]) -> Line:
    pieces: list[Piece] = []
    for change, text in words:
        between = [Piece(" ")] if pieces else []
        pieces += [*between, Piece(text) if change == "same" else Piece(text, change)]
    return tuple(pieces)


def _shortly(words: Sequence[str], image: str) -> str:
    """The words, the image by its name alone, and "…" for the folders that the container sees."""
    shown: list[str] = []
    for word in words:
        of_folders = word.startswith(("--mount=", "--pwd="))
        if not (of_folders and shown[-1:] == ["…"]):
            shown.append("…" if of_folders else Path(word).name if word == image else word)
    return " ".join(shown)
