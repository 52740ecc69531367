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
from dataclasses import dataclass, field
from itertools import takewhile

from ..errors import InputError

__all__ = ["Variable", "Word", "quote", "split"]

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)
# What bash expands beside these: `…`, $(…), ${A:-b} and $1, also in double quotes; and outside of
# quotes ~, patterns for file names, braces, and a dollar sign before a quote, which is here \x01.
_EXPANDED = re.compile(r"`|\$[({\d@*#?$!-]")
_EXPANDED_BARE = re.compile(
    r"^~|[*?]|\$\x01"
    # What begins a comment, ends a command, or redirects what a command reads and writes.
    r"|^#|[;|&<>]"
)
_BRACES = re.compile(r"\{([^{}]*)\}")
# As `quote` writes it. All other text of that kind stays as it is.
_ESCAPED = re.compile(r"\$'((?:[^\\']|\\[\\']|\\x[0-9a-f]{2})+)'")
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
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]  # nearly all words: a command may have very many
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

    def shell(self) -> str:
        """The word as shell text that bash reads back as the same word."""
        pieces = []
        for part in self.parts:
            if isinstance(part, str):
                pieces.append(quote(part))
            else:
                inside = f"{part.name}:-{part.default}" if part.default else part.name
                pieces.append(f'"${{{inside}}}"' if part.quoted else f"${{{inside}}}")
        return "".join(pieces) or "''"

    @classmethod
    def literal(cls, text: str) -> Word:
        """A word in which nothing expands."""
        return cls((text,) if text else ())


def quote(text: str) -> str:
    r"""Quote `text` for bash as an argument; as a command, ``A=1`` would be an assignment.

    Bytes that are no character, and signs that cannot be seen, are written as ``$'\xff'``, so that
    no script, and no command that people are to copy, has a sign that a terminal acts on.

    >>> print(quote("a"), quote("a b"), quote("a\nb"), quote("\udcff"))
    a 'a b' $'a\x0ab' $'\xff'
    """
    if _SAFE.fullmatch(text):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "'\"'\"'") + "'"
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))


def _unescaped(text: str) -> str:
    raw = text.encode(errors="surrogateescape")
    found = re.sub(rb"\\(?:x(..)|(.))", lambda m: m[2] or bytes.fromhex(m[1].decode()), raw)
    return found.decode(errors="surrogateescape")


def split(line: str) -> tuple[Word, ...]:
    """Split one line into words as bash does, keeping variables and dropping other expansions.

    Raises:
        InputError: a quote is not closed, or the line ends in a backslash.
    """
    words: list[Word] = []
    word = _Growing()
    quote_open = ""
    at = 0
    while at < len(line):
        if plain := _PLAIN[quote_open].match(line, at):
            word.add(plain[0], quote_open)
            at = plain.end()
            continue
        char = line[at]
        at += 1
        if not quote_open and (found := _ESCAPED.match(line, at - 1)) and r"\x" in found[1]:
            word.add_escaped(_unescaped(found[1]))
            at = found.end()
        elif char == "$" and quote_open != "'":
            if found := _VARIABLE.match(line, at - 1):
                word.add_variable(Variable(found[1] or found[2], quoted=bool(quote_open)))
                at = found.end()
            else:
                word.add(char, quote_open)
        elif char == "\\":
            if at == len(line):
                raise InputError("the line ends in a backslash")
            keep = quote_open and line[at] not in '$`"\\'
            word.add_escaped(char + line[at] if keep else line[at])
            at += 1
        elif quote_open:
            quote_open = ""
        elif char in "'\"":
            quote_open = char
            word.open_quote()
        else:
            if word.started:
                words.append(word.ended())
            word = _Growing()
    if quote_open:
        raise InputError(f"a {quote_open} is not closed")
    if word.started:
        words.append(word.ended())
    return tuple(words)


# What means nothing to bash, without quotes and in each kind of them.
_PLAIN = {
    "": re.compile(r"[^$\\'\" \t]+"),
    '"': re.compile(r'[^$\\"]+'),
    "'": re.compile(r"[^']+"),
}


class _Growing:
    """A word while it is read. Its pieces are joined once: a word may have 100,000 of them.

    ``started``: there is a word, though it may be empty, as in ``--gpu ""``. ``bare`` and
    ``double`` are the texts outside of quotes and inside of double ones.
    """

    def __init__(self) -> None:
        self.started = False
        self._parts: list[str | Variable] = []
        self._text: list[str] | None = None
        self._bare: list[str] = []
        self._double: list[str] = []

    def add(self, text: str, quote_open: str) -> None:
        self.started = True
        self._append(text)
        if quote_open == '"':
            self._double.append(text)
        elif not quote_open:
            self._bare.append(text)

    def add_escaped(self, text: str) -> None:
        self.started = True
        self._append(text)
        self._bare.append("\0")
        self._double.append("\0")

    def add_variable(self, variable: Variable) -> None:
        self.started = True
        self._end_text()
        self._parts.append(variable)
        self._bare.append("\0")

    def open_quote(self) -> None:
        self.started = True
        self._append("")
        self._bare.append("\1")
        self._double.append("\0")

    def ended(self) -> Word:
        self._end_text()
        bare, double = "".join(self._bare), "".join(self._double)
        stays = _EXPANDED.search(bare + "\0" + double) is not None or _expands(bare)
        return _word(self._parts, stays)

    def _append(self, text: str) -> None:
        if self._text is None:
            self._text = []
        self._text.append(text)

    def _end_text(self) -> None:
        if self._text is not None:
            self._parts.append("".join(self._text))
            self._text = None


def _expands(bare: str) -> bool:
    """Whether bash would act on this text outside of quotes, whatever surrounds it."""
    if _EXPANDED_BARE.search(bare):
        return True
    if 0 <= bare.find("[") < bare.rfind("]") - 1:
        return True
    return any("," in found or ".." in found for found in _BRACES.findall(bare))


def _word(parts: list[str | Variable], stays: bool) -> Word:
    """A word; an empty piece matters beside an unquoted variable, whose value may be empty or
    begin with a blank (``$A""``), or if it is the whole text."""
    expands = any(isinstance(part, Variable) and not part.quoted for part in parts)
    return Word(tuple(part for part in parts if part or expands) or ("",), stays)
