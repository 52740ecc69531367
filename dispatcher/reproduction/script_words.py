"""How does text of others get into a script? As quoted words, never as code."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from ..host.shell_words import Word, quote

__all__ = ["as_word", "as_words"]


def as_word(value: str | Word) -> Markup:
    """A word for a template; of a command's words, variables expand."""
    return Markup(value.shell() if isinstance(value, Word) else quote(value))


def as_words(values: Iterable[str]) -> list[Markup]:
    """Several words for a template."""
    return [as_word(value) for value in values]
