"""Which commands stand where in a shell script: outside of functions, or in which function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ..host.shell_tokens import Assignment, Operator, Output, Token, Value, Word, bare, tokens

__all__ = ["KEYWORDS", "Command", "Commands"]

Command = tuple[Word | Assignment, ...]

# What may stand before a command.
KEYWORDS = frozenset(
    {"if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "coproc"}
)


class Commands:
    """The simple commands of a script, which stand for themselves in ``$(…)`` too.

    Attributes:
        outside: those outside of functions.
        functions: name → those of the bodies that the script gives to it.
        values: name → what is assigned to the variable, anywhere.
        documents: the last line and the text of each document behind ``<<``.
    """

    def __init__(self, script: str | Iterable[Token]) -> None:
        self.outside: list[Command] = []
        self.functions: dict[str, list[Command]] = defaultdict(list)
        self.values: dict[str, list[Assignment]] = defaultdict(list)
        self.documents: list[Operator] = []
        self._read(tokens(script) if isinstance(script, str) else script, self.outside)
        self.functions.default_factory = self.values.default_factory = None

    def _read(self, found: Iterable[Token], into: list[Command]) -> None:
        groups = [("", into)]  # what is open: ")", "}", a case, or a pattern in it
        command: list[Word | Assignment] = []
        words: list[str] = []  # the command's texts, behind the keywords
        function = ""  # whose body is next
        for token in found:
            kind, commands = groups[-1]
            text = bare(token)
            if isinstance(token, Operator) and token.text:
                self.documents.append(token)
            elif kind == "pattern":
                if text == "esac" or token == Operator(")"):
                    groups[-1:] = [] if text == "esac" else [("case", commands)]
            elif isinstance(token, Operator):
                if words[:1] == ["[["] and "]]" not in words:
                    continue
                if token.name[0] == "(" and token.name[-1] == ")":
                    function = words[0] if words else function
                    command, words = [], []
                    continue
                self._end(command, words, commands)
                command, words = [], []
                if token.name == "(":
                    groups.append((")", self.functions[function] if function else commands))
                    function = ""
                elif token.name == ")" == kind:
                    groups.pop()
                elif kind == "case" and token.name in (";;", ";&", ";;&"):
                    groups[-1] = ("pattern", commands)
            elif words == ["function"]:
                function, command, words = text, [], []
            elif text == "{" and (not words or bare(command[0]) == "coproc"):
                groups.append(("}", self.functions[function] if function else commands))
                function, command, words = "", [], []
            elif not command and (text, kind) in (("}", "}"), ("esac", "case")):
                groups.pop()
            elif text == "in" and words[:1] == ["case"] and len(words) == 2:
                groups.append(("pattern", commands))
                command, words = [], []
            else:
                command.append(token)
                words += [text] if words or text not in KEYWORDS else []
        self._end(command, words, groups[-1][1])

    def _end(
        self, command: list[Word | Assignment], words: list[str], commands: list[Command]
    ) -> None:
        """A command is complete: keep it, and what it has in it."""
        if command:
            commands.append(tuple(command))
        for each in command:
            if isinstance(each, Assignment):
                self.values[each.name].append(each)
            for word in each.words if isinstance(each, Assignment) else (each,):
                for part in word:
                    if isinstance(part, Output):
                        self._read(part.tokens, commands)
                    elif isinstance(part, Value) and part.operator == "=":
                        self.values[part.name].append(Assignment(part.name, (part.other,)))
        if words[:1] == ["for"] and words[2:3] == ["in"]:
            chosen = [
                each for each in command[-len(words) + 3 :] if not isinstance(each, Assignment)
            ]
            self.values[words[1]] += [Assignment(words[1], (word,)) for word in chosen]
