"""How a template prints a value: quoted for the shell, or as one of our filters says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, Undefined, pass_environment
from jinja2.filters import make_attrgetter
from markupsafe import Markup

from ..errors import TemplateError
from ..host.shell_words import quote
from . import amounts
from .scheduler_templates import directives_first

__all__ = ["FILTERS", "comment", "quoted"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def quoted(value: Any) -> Any:
    """What is printed of a value: Markup as it is, all else quoted.

    Raises:
        TemplateError: there is a control character in it.
    """
    if isinstance(value, (Markup, Undefined)):
        return value
    return Markup(quote(_without_control(value)))


def _without_control(value: Any) -> str:
    text = str(value)
    if _CONTROL.search(text):
        raise TemplateError(
            f"The value {text!r} contains a line break or another control character, which a job "
            "script cannot contain: remove that character from the name, the parameter or the "
            "configuration."
        )
    return text


def _words(values: Iterable[Any]) -> Markup:
    """Several words, each quoted, on one line."""
    return Markup(" ".join(quoted(value) for value in values))


@pass_environment
def _join(
    env: Environment, values: Iterable[Any], d: str = "", attribute: str | int | None = None
) -> str:
    """Jinja's ``join``, for the shell: no values print nothing, not a quoted empty word. If one of
    them is quoted already, the others are quoted as well, and the text between them stays as the
    template has it: Jinja's own is for HTML, and makes ``&amp;&amp;`` of ``&&``.
    """
    items = list(values if attribute is None else map(make_attrgetter(env, attribute), values))
    if items and not any(isinstance(item, Markup) for item in items):
        return str(d).join(map(str, items))
    return Markup(str(d).join(quoted(item) for item in items))


def _lines(values: Sequence[Any]) -> Markup:
    """An argument list for people to read: options stay with their values on lines of about 100
    characters, and a program begins a line of its own."""
    lines: list[str] = []
    line, previous = "", ""
    for value in values:
        word = str(quoted(value))
        option = word.startswith(("-", "'-"))
        program = word.startswith(("mpirun", "relion_")) and not previous.startswith("-")
        full = len(line) + len(word) > 100 and (option or "=" in previous)
        if line and (program or full):
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
        previous = word
    return Markup(" \\\n        ".join([*lines, line]))


def comment(value: Any) -> Markup:
    """Text for a comment, or for a sentence: on one line, whatever is in it."""
    return Markup("".join(char if char.isprintable() else "?" for char in str(value)))


def _directive(value: Any) -> Markup:
    """A value in a scheduler's directive. Its readers know double quotes, but no `'"'"'`.

    Raises:
        TemplateError: a line break (it would end the directive), or a quote that cannot be
            written.
    """
    text = _without_control(value)
    if re.fullmatch(r"[\w@%+=:,./\[\]-]+", text):
        return Markup(text)
    if set(text) & set("\"'`$\\"):
        raise TemplateError(
            f"The value {text!r} cannot be written into a scheduler's directive: use no quotes, "
            "backslashes, backticks or dollar signs."
        )
    return Markup(f'"{text}"')


def _option(value: Any) -> Markup:
    """An option in a directive; a value behind a blank is a word of its own: ``-x node3``."""
    words = str(value).split(None, 1)
    if len(words) == 2 and "=" not in words[0]:
        return Markup(" ").join(map(_directive, words))
    return _directive(value)


FILTERS = {
    "option": _option,
    "words": _words,
    "lines": _lines,
    "comment": comment,
    "directive": _directive,
    "join": _join,
    "directives_first": directives_first,
    "clock": amounts.clock,
    "memory_in": amounts.memory_in,
    "minutes": amounts.minutes,
    "plain_name": amounts.plain_name,
    "seconds": amounts.seconds,
}
