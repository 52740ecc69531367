"""Which commands a shell script calls, and with which words, as far as its text tells.

Variables, arrays and functions of the script are followed, whatever their order; a variable that
is set in several places may have each value. What only the node knows stays as ``$NAME``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..host.shell_tokens import Assignment, Output, Text, Value, Word
from .shell_commands import KEYWORDS, Command, Commands

__all__ = ["Fields", "ShellScript"]

Fields = tuple[str, ...]

_DEEPEST = 8  # functions that call functions
_LONGEST_CHAIN = 20  # variables whose values are variables
_MOST_STEPS = 20_000  # a script with more values in values is not understood
_PRINTS_ITS_LAST_WORD = frozenset({"which", "command", "type", "echo"})
_CALLS_FUNCTIONS = frozenset({"run", "eval"})
# All other settings of the library may change on the node.
_SET_BY_THE_SCRIPT = frozenset({"dispatch_container", "dispatch_program"})


class _Frame(NamedTuple):
    """A function's arguments, now and before any ``shift``; None where nobody knows them."""

    now: Fields | None = None
    first: Fields | None = None


class ShellScript:
    """A script that is read, never run.

    Attributes:
        documents: the texts behind ``<<``, by their last lines.
    """

    def __init__(self, text: str) -> None:
        self._read = Commands(text)
        self.documents = self._read.documents
        self._steps = 0
        self._called: set[str] = set()

    def calls(self) -> Iterator[list[Fields]]:
        """For each command that is called, its possible words.

        A function's body is there where the function is called, with its arguments. If nothing in
        the script calls it, the library may, with arguments that nobody knows.
        """
        yield from self._run(self._read.outside, _Frame(), 0)
        bodies = self._read.functions.items()
        inside = {name: list(self._run(commands, _Frame(), 0)) for name, commands in bodies}
        for name, calls in inside.items():
            yield from calls if name not in self._called else ()

    def words(self, text: str) -> Fields:
        """What the words of this text are in this script."""
        outside = Commands(text).outside
        return _without_keywords(self._ways(outside[0], _Frame())[0]) if outside else ()

    def _run(
        self, commands: Sequence[Command], frame: _Frame, depth: int
    ) -> Iterator[list[Fields]]:
        for command in commands:
            possible: list[Fields] = []
            for words in map(_without_keywords, self._ways(command, frame)):
                functions = self._read.functions
                if words and words[0] in _CALLS_FUNCTIONS and words[0] not in functions:
                    name, *arguments = (*words[1:], "")
                else:
                    name, *arguments = (*words, "")
                if name == "shift" and frame.now is not None:
                    by = int(arguments[0]) if arguments and arguments[0].isdigit() else 1
                    frame = frame._replace(now=frame.now[by:])
                elif words[:2] == ("set", "--"):
                    frame = _Frame(words[2:], words[2:])
                elif name in functions and depth < _DEEPEST and self._steps < _MOST_STEPS:
                    self._called.add(name)
                    inner = tuple(filter(None, arguments))
                    yield from self._run(functions[name], _Frame(inner, inner), depth + 1)
                elif words:
                    possible.append(words)
            if possible:
                yield possible

    def _ways(
        self, command: Command, frame: _Frame, within: tuple[Assignment, ...] = ()
    ) -> list[Fields]:
        """The words that a command may have: each value of each word is in one way at least.

        ``within`` are the assignments whose values are being looked up.
        """
        words = [each for each in command if not isinstance(each, Assignment)]
        return _side_by_side([self._word(word, frame, within) for word in words])

    def _word(self, word: Word, frame: _Frame, within: tuple[Assignment, ...] = ()) -> list[Fields]:
        parts = [self._part(part, frame, within) for part in word]
        ways: list[Fields] = []
        for at in range(max(map(len, parts), default=1)):
            way: Fields = ("",)
            for options in parts:
                more = options[min(at, len(options) - 1)]
                way = (*way[:-1], way[-1] + more[0], *more[1:]) if more else way
            ways.append(tuple(filter(None, way)))
        return ways

    def _part(
        self, part: Text | Value | Output, frame: _Frame, within: tuple[Assignment, ...]
    ) -> list[Fields]:
        self._steps += 1
        if isinstance(part, Text):
            return [(part.text,)]
        if isinstance(part, Output):
            known = self._steps < _MOST_STEPS and len(within) < _LONGEST_CHAIN
            return self._printed(part, frame, within) if known else [("$()",)]
        unknown: list[Fields] = [(f"${part.name}",)]
        if part.name in "@*" or part.name.isdigit():
            if frame.now is None:
                return unknown
            if not part.name.isdigit():
                return [frame.now]
            return [_split(frame.now[int(part.name) - 1 : int(part.name)])]
        settled = part.name.startswith("dispatch_") and part.name not in _SET_BY_THE_SCRIPT
        if settled or self._steps > _MOST_STEPS or len(within) > _LONGEST_CHAIN:
            return unknown
        other = [_split(way) for way in self._word(part.other, frame, within)]
        if part.operator == "+":
            return [(), *other]
        ways = self._values(part.name, frame, within) or unknown
        return [*ways, *other] if part.operator in ("-", "=") else ways

    def _values(self, name: str, frame: _Frame, within: tuple[Assignment, ...]) -> list[Fields]:
        """What a variable may be. In a value of its own it is what it was before."""
        assigned = self._read.values.get(name, [])
        for at, each in enumerate(assigned):
            if any(each is outer for outer in within):
                assigned = assigned[max(at - 1, 0) : at]
                break
        ways: list[Fields] = []
        for each in assigned:
            inside = (*within, each)
            called = _Frame(frame.first, frame.first)
            words = [self._word(word, called, inside) for word in each.words]
            ways += map(_split, _side_by_side(words))
        return list(dict.fromkeys(ways))

    def _printed(
        self, output: Output, frame: _Frame, within: tuple[Assignment, ...]
    ) -> list[Fields]:
        """What a command prints, if it prints its last word; else a word that nobody knows."""
        commands = Commands(output.tokens).outside
        ways = [way for command in commands for way in self._ways(command, frame, within)]
        return [way[-1:] for way in ways if way[:1] and way[0] in _PRINTS_ITS_LAST_WORD] or [
            ("$()",)
        ]


def _without_keywords(words: Fields) -> Fields:
    while words and (words[0] in KEYWORDS or words[0][0] == "-"):  # time -p
        words = words[1:]
    return words


def _side_by_side(words: Sequence[Sequence[Fields]]) -> list[Fields]:
    """The first values of all words together, the second values, …; the last of those that have
    fewer."""
    most = max(map(len, words), default=1)
    return [sum((each[min(at, len(each) - 1)] for each in words), ()) for at in range(most)]


def _split(fields: Fields) -> Fields:
    """A variable's value, in words."""
    return tuple(" ".join(fields).split())
