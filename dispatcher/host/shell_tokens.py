"""The words and operators of a shell script, with what the shell puts in their places.

Comments, redirections and quotes are gone. Reading never fails: what is not closed ends with the
text. Nothing is run.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Assignment", "Operator", "Output", "Text", "Token", "Value", "Word", "bare", "tokens"]


class Text(NamedTuple):
    """Letters as they are."""

    text: str


class Value(NamedTuple):
    """``$NAME``; of ``${NAME:-OTHER}`` and ``${NAME:+OTHER}`` also the operator and the other."""

    name: str
    operator: str = ""
    other: Word = ()


class Output(NamedTuple):
    """``$(…)``, backticks, ``<(…)``, or arithmetic, which has no commands."""

    tokens: tuple[Token, ...]


class Assignment(NamedTuple):
    """``NAME=WORD``, ``NAME+=WORD`` or ``NAME=(WORD …)``."""

    name: str
    words: tuple[Word, ...]


class Operator(NamedTuple):
    """What ends a command: a line break, ``;``, ``&&``, a bracket …; or a document behind ``<<``,
    which is the operator's text."""

    name: str
    text: str = ""


Word = tuple[Text | Value | Output, ...]
Token = Word | Assignment | Operator

_BLANK = re.compile(r"(?:[ \t\r]|\\\n)+|#[^\n]*")
_OPERATOR = re.compile(r"\n|&&|\|\||;;&|;;|;&|\|&|\([ \t]*\)|[;&|()]")
_REDIRECTION = re.compile(r"(?:\d+|\{\w+\})?(?:&>>?|<<<|<<-?|>>|<>|>\||[<>]&|[<>](?!\())")
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)(?:\[[^\]\n]*\])?(\+?)=", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]", re.ASCII)
_BRACED = re.compile(r"[!#]?([A-Za-z_]\w*|[0-9]+|[@*])(?:\[[^\]]*\])?(:?[-=+?]|[^}]?)", re.ASCII)
_PROCESS = re.compile(r"[<>]\(")
_PLAIN = re.compile(r"[\w./:=,@%+~^*?!\[\]-]+")
_PLAIN_IN_QUOTES = re.compile(r'[^\\"$`]+')
_DEEPEST = 40  # what is in one another deeper is not read, nor what follows
_ENDS_A_WORD = " \t\r\n;&|<>()"


def tokens(text: str) -> tuple[Token, ...]:
    """All tokens of the text."""
    return _Lexer(text).until("")


def bare(token: Token) -> str:
    """The text of a word without values; '' for all else."""
    if isinstance(token, (Assignment, Operator)):
        return ""
    return "".join(part.text if isinstance(part, Text) else "\0" for part in token)


class _Lexer:
    """A text, and a place in it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._awaited: list[str] = []  # the last lines of documents that begin on the next line

    def until(self, end: str) -> tuple[Token, ...]:
        """The tokens up to the bracket `end`, which nothing here has opened, and past it."""
        found: list[Token] = []
        depth = 0
        while self._at < len(self._text):
            if self._take(_BLANK):
                continue
            if matched := self._take(_REDIRECTION):
                self._redirection(matched[0])
            elif matched := self._take(_OPERATOR):
                depth += matched[0].endswith("(") - (matched[0] == ")")
                if end and depth < 0:
                    break
                found.append(Operator(matched[0]))
                if matched[0] == "\n":
                    found += self._documents()
            elif (matched := _ASSIGNED.match(self._text, self._at)) is not None:
                self._at = matched.end()
                found.append(self._assignment(matched[1], matched[2] == "+"))
            else:
                word = self._word(_ENDS_A_WORD)
                found += [word] if word else []
                self._at += not word  # a letter that belongs to nothing
        return tuple(found)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found

    def _redirection(self, operator: str) -> None:
        self._take(_BLANK)
        target = self._word(_ENDS_A_WORD)
        if operator in ("<<", "<<-"):
            self._awaited.append(bare(target))

    def _documents(self) -> list[Token]:
        found: list[Token] = []
        for end in self._awaited:
            last = re.compile(rf"^\t*{re.escape(end)}$", re.MULTILINE).search(self._text, self._at)
            begin, stop = last.span() if last else (len(self._text), len(self._text))
            found.append(Operator(end, self._text[self._at : begin]))
            self._at = stop
        self._awaited = []
        return found

    def _assignment(self, name: str, adds: bool) -> Assignment:
        words: tuple[Word, ...]
        if self._text.startswith("(", self._at):
            self._at += 1
            inner = self.until(")")
            words = tuple(each for each in inner if not isinstance(each, (Assignment, Operator)))
        else:
            words = (self._word(_ENDS_A_WORD),)
        if adds:
            words = ((Value(name), *words[0]),) if len(words) == 1 else ((Value(name),), *words)
        return Assignment(name, words)

    def _word(self, ends: str) -> Word:
        """A word up to one of these letters; () if there is none."""
        self._depth += 1
        if self._depth > _DEEPEST:
            self._at = len(self._text)
        parts: list[Text | Value | Output] = []
        quoted = False
        while self._at < len(self._text):
            char = self._text[self._at]
            if not quoted and self._take(_PROCESS):
                parts.append(Output(self.until(")")))
                continue
            if not quoted and char in ends:
                break
            if plain := self._take(_PLAIN_IN_QUOTES if quoted else _PLAIN):
                parts.append(Text(plain[0]))
                continue
            self._at += 1
            if char == "\\":
                char, self._at = self._text[self._at : self._at + 1], self._at + 1
                parts.append(Text("" if char == "\n" else char))
            elif char == '"':
                quoted = not quoted
                parts.append(Text(""))
            elif char == "'" and not quoted:
                close = self._text.find("'", self._at)
                close = len(self._text) if close < 0 else close
                parts.append(Text(self._text[self._at : close]))
                self._at = close + 1
            elif char == "$":
                parts.append(self._value())
            elif char == "`":
                close = self._text.find("`", self._at)
                close = len(self._text) if close < 0 else close
                parts.append(Output(tokens(self._text[self._at : close])))
                self._at = close + 1
            else:
                parts.append(Text(char))
        self._depth -= 1
        return tuple(parts)

    def _value(self) -> Text | Value | Output:
        """What stands behind a ``$``."""
        if self._text.startswith("(", self._at):
            self._at += 1
            return Output(self.until(")"))
        if self._text.startswith("{", self._at):
            self._at += 1
            name = self._take(_BRACED)
            other = self._word("}") if not self._text.startswith("}", self._at) else ()
            self._at += 1
            if name is None or name[0][0] in "!#":
                return Value("{")
            return Value(name[1], name[2].lstrip(":"), other)
        named = self._take(_NAME)
        return Value(named[0]) if named else Text("")
