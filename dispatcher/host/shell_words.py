"""Shell words: what bash would make of a line of RELION's script, and how to write it back.

RELION writes its command lines as shell text, values unquoted. Splitting follows bash's rules
for quotes and backslashes; of all expansions only ``$NAME`` and ``${NAME}`` survive (a scratch
folder named after the job id is common). Everything else that bash would act on (command
substitution, redirection, ``;``, globs, ``~``, braces) stays plain text, so that nothing hidden
in a file name or a parameter runs.

    >>> [str(word) for word in split('--i "a b.star" --scratch_dir /s/$JOB --gpu ""')]
    ['--i', 'a b.star', '--scratch_dir', '/s/$JOB', '--gpu', '']
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile

from ..errors import InputError

__all__ = ["Variable", "Word", "quote", "split"]

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)
# What bash expands beside these: `…`, $(…), ${A:-b} and $1, also in double quotes; and outside of
# quotes ~, patterns for file names, braces, and a dollar sign before a quote, which is here \x01.
_EXPANDED = re.compile(r"`|\$[({\d@*#?$!-]")
_EXPANDED_BARE = re.compile(
    r"^~|[*?]|\[.+\]|\{[^{}]*(?:,|\.\.)[^{}]*\}|\$\x01"
    # What begins a comment, ends a command, or redirects what a command reads and writes.
    r"|^#|[;|&<>]"
)
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


@dataclass(frozen=True)
class Variable:
    """``$NAME``, to be expanded on the node; `quoted` when it stood inside double quotes.

    `default` is there if the variable is not set, or empty: letters, digits, ``:`` and ``,``.
    """

    name: str
    quoted: bool
    default: str = ""


@dataclass(frozen=True)
class Word:
    """One word of a command line: literal text and variables, in order.

    Attributes:
        stays: whether there is text in it that bash would have acted on, and that stays as it is.
    """

    parts: tuple[str | Variable, ...]
    stays: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        """The word before expansion, with variables shown as ``$NAME`` or ``${NAME}``."""
        text = ""
        for part, following in zip(self.parts, (*self.parts[1:], ""), strict=False):
            if isinstance(part, str):
                text += part
            elif isinstance(following, str) and not re.match(r"\w", following):
                text += f"${part.name}"
            else:
                text += f"${{{part.name}}}"
        return text

    @property
    def variables(self) -> list[str]:
        """The names of the variables in it."""
        return [part.name for part in self.parts if isinstance(part, Variable)]

    @property
    def leading(self) -> list[str]:
        """The names of the variables before its first text."""
        begin = takewhile(lambda part: isinstance(part, Variable) or not part, self.parts)
        return [part.name for part in begin if isinstance(part, Variable)]

    def shell(self, quoted: Callable[[str], str] | None = None) -> str:
        """The word as shell text that bash reads back as the same word.

        `quoted` writes its text in another way than :func:`quote`.
        """
        quoted = quoted or quote
        pieces = []
        for part in self.parts:
            if isinstance(part, str):
                pieces.append(quoted(part))
            else:
                inside = f"{part.name}:-{part.default}" if part.default else part.name
                pieces.append(f'"${{{inside}}}"' if part.quoted else f"${{{inside}}}")
        return "".join(pieces) or "''"

    @classmethod
    def literal(cls, text: str) -> Word:
        """A word in which nothing expands."""
        return cls((text,) if text else ())


def quote(text: str) -> str:
    """Quote `text` for the shell as an argument; as a command, ``A=1`` would be an assignment."""
    if _SAFE.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"


def split(line: str) -> tuple[Word, ...]:
    """Split one line into words as bash does, keeping variables and dropping other expansions.

    Raises:
        InputError: a quote is not closed, or the line ends in a backslash.
    """
    words: list[Word] = []
    parts: list[str | Variable] = []
    started = False  # a word may be empty, as in --gpu ""
    quote_open = ""
    at = 0
    bare = double = ""  # the word's text outside of quotes, and inside of double quotes

    def end_word() -> Word:
        stays = _EXPANDED.search(bare + "\0" + double) or _EXPANDED_BARE.search(bare)
        return _word(parts, stays is not None)

    def add(text: str) -> None:
        if parts and isinstance(parts[-1], str):
            parts[-1] += text
        else:
            parts.append(text)

    while at < len(line):
        char = line[at]
        at += 1
        if quote_open == "'":
            if char == "'":
                quote_open = ""
            else:
                add(char)
            continue
        if char == "$" and (found := _VARIABLE.match(line, at - 1)):
            parts.append(Variable(found[1] or found[2], quoted=bool(quote_open)))
            bare += "\0"
            started, at = True, found.end()
        elif char == "\\":
            if at == len(line):
                raise InputError("the line ends in a backslash")
            bare, double = bare + "\0", double + "\0"
            keep = quote_open and line[at] not in '$`"\\'
            add(char + line[at] if keep else line[at])
            started, at = True, at + 1
        elif quote_open:
            if char == '"':
                quote_open = ""
            else:
                add(char)
                double += char
        elif char in "'\"":
            quote_open, started = char, True
            bare, double = bare + "\1", double + "\0"
            add("")
        elif char in " \t":
            if started:
                words.append(end_word())
            parts, started, bare, double = [], False, "", ""
        else:
            add(char)
            bare += char
            started = True
    if quote_open:
        raise InputError(f"a {quote_open} is not closed")
    if started:
        words.append(end_word())
    return tuple(words)


def _word(parts: list[str | Variable], stays: bool) -> Word:
    """A word; an empty piece matters beside an unquoted variable, whose value may be empty or
    begin with a blank (``$A""``), or if it is the whole text."""
    expands = any(isinstance(part, Variable) and not part.quoted for part in parts)
    return Word(tuple(part for part in parts if part or expands) or ("",), stays)
