"""What was changed in a command: the words that RELION wrote, those that run, and which differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from ..relion.command import Command, is_option, parse_command

__all__ = ["ChangedWords", "changed_words"]


class ChangedWords(NamedTuple):
    """Words of a command that belong together, such as an option and its value, as shell text."""

    change: Literal["same", "removed", "added"]
    text: str


def changed_words(before: str, after: str) -> tuple[ChangedWords, ...]:
    """The command before, with the changes where they were made; what is new stands at the end.

    An option that only moved is the same, but for one that is given several times: of these the
    last holds, so their order counts.

    Raises:
        InputError: one of the two is no command.
    """
    was, now = parse_command(before), parse_command(after)
    return tuple(_changes([*_parts(was)], [*_parts(now)]))


class _Part(NamedTuple):
    """A program, an option with its values, or a word by itself; `key` is what stays the same."""

    key: str
    text: str


def _parts(command: Command) -> Iterator[_Part]:
    program, *words = command.shell_words()
    yield _Part("", program)
    arguments = command.arguments
    number: dict[str, int] = {}
    at = 0
    while at < len(words):
        end = at + 1
        if at < len(arguments) and is_option(arguments[at]):
            name = str(arguments[at]).partition("=")[0]
            while end < len(arguments) and not is_option(arguments[end]):
                end += 1
        else:
            name = words[at]
        number[name] = number.get(name, 0) + 1
        yield _Part(f"{name} {number[name]}", " ".join(words[at:end]))
        at = end


def _changes(was: Sequence[_Part], now: Sequence[_Part]) -> Iterator[ChangedWords]:
    later = {part.key: part.text for part in now}
    earlier = {part.key for part in was}
    for key, text in was:
        if later.get(key) == text:
            yield ChangedWords("same", text)
            continue
        yield ChangedWords("removed", text)
        if key in later:
            yield ChangedWords("added", later[key])
    for key, text in now:
        if key not in earlier:
            yield ChangedWords("added", text)
