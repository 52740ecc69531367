"""How does text of others get into a script? As quoted words and as comments, never as code.

The script itself has no character that a terminal or an editor would act on.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from ..host.shell_words import Word, quote

__all__ = ["as_word", "as_words", "quoted", "remark"]


def quoted(text: str) -> str:
    r"""The text as one word of bash; bytes that are no character, and signs that cannot be seen, as
    bash's ``$'\xff'``.

    >>> print(quoted("a b"), quoted("a\nb"), quoted("\udcff"))
    'a b' $'a\x0ab' $'\xff'
    """
    return quote(text) if text.isprintable() else "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))


def as_word(value: str | Word) -> Markup:
    """A word for a template; of a command's words, variables expand."""
    return Markup(value.shell(quoted) if isinstance(value, Word) else quoted(value))


def as_words(values: Iterable[str]) -> list[Markup]:
    """Several words for a template."""
    return [as_word(value) for value in values]


def remark(text: str) -> Markup:
    """Text for a comment, or for a sentence: on one line, whatever is in it."""
    return Markup("".join(char if char.isprintable() else "?" for char in text))
