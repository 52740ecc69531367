"""How a job script starts a program: behind our launcher, behind another, or alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from .shell_calls import Fields, ShellScript

__all__ = ["Start", "launcher_names", "starts"]

# "unknown" is behind words of which nobody here knows what they start.
Start = Literal["ours", "both", "another", "alone", "unknown"]

_USUAL = re.compile(r"(mpirun|mpiexec)([._-].*)?|orterun|prterun|prun|aprun|jsrun|ibrun")
# Start what stands behind them, once, behind options and numbers; the container also its image.
_PASS_ON = frozenset(
    {"run", "exec", "eval", "command", "time", "env", "nice", "ionice", "nohup", "setsid", "stdbuf",
     "timeout"}
)  # fmt: skip
_CONTAINERS = frozenset({"apptainer", "singularity"})
_START_NOTHING = frozenset(
    {"echo", "printf", "fail", ":", "true", "false", "test", "[", "[[", "which", "type", "hash",
     "export", "local", "declare", "readonly", "for", "return", "exit"}
)  # fmt: skip
_RANKS = re.compile(r"(?:^| )(?:-np?|--np|--ntasks)(?: |=|(?=\d))(\S+)")
_ONE_ON_ONE_NODE = re.compile(
    r"(?=.* (?:-N|--nodes)[ =]?1(?: |$))(?=.* --ntasks-per-node[ =]1(?: |$))"
)


def launcher_names(lines: Iterable[Sequence[str]]) -> frozenset[str]:
    """The names of the launchers in a site's files, each with words before and behind it."""
    found: set[str] = set()
    for line in lines:
        words = [_name(word) for word in _passed(tuple(line))]
        found.update([word for word in words if _USUAL.fullmatch(word)] or words[:1])
    return frozenset(found)


def starts(
    script: ShellScript, program: str, ours: Fields, launchers: frozenset[str]
) -> list[Start]:
    """How each place of the script starts the program; `ours` are the words of our launcher.

    A place that may be one or the other, as a variable has it, is what comes first in: both,
    another, unknown, ours, alone. What only mentions the program is unknown.
    """
    place = _Place(_name(program), ours, launchers)
    found = [_first(map(place.start, ways)) for ways in script.calls()]
    documents = (each for each in script.documents if each.name != "END_OF_REASONS")
    found += ["unknown" for each in documents if place.mentions(each.text)]
    return [each for each in found if each is not None]


def _first(found: Iterable[Start | None]) -> Start | None:
    order: tuple[Start, ...] = ("both", "another", "unknown", "ours", "alone")
    possible = set(found)
    return next((start for start in order if start in possible), None)


class _Place(NamedTuple):
    """What to look for in a command."""

    program: str
    ours: Fields
    launchers: frozenset[str]

    def start(self, fields: Fields) -> Start | None:
        """How a command starts the program; None if the command has nothing to do with it."""
        words = tuple(_opened(fields))
        if words[:2] == ("command", "-v") or (*_passed(words), "")[0] in _START_NOTHING:
            return None
        at = max((at for at, word in enumerate(words) if _name(word) == self.program), default=None)
        if at is None:
            return "unknown" if self.mentions(" ".join(words)) else None
        before = words[:at]
        own = _place(before, self.ours)
        if own is not None:
            return "both" if self._launched(before[:own]) else "ours"
        if self._launched(before):
            return "another"
        return "unknown" if _passed(before, self.launchers) else "alone"

    def mentions(self, text: str) -> bool:
        """Whether the program's name is in the text."""
        return re.search(rf"(?<![\w.-]){re.escape(self.program)}(?![\w.-])", text) is not None

    def _launched(self, words: Fields) -> bool:
        """Whether one of the words before a program is a launcher of several ranks."""
        rest = _passed(words)
        found = [at for at in range(len(rest)) if _is_launcher(rest, at, self.launchers)]
        options = (rest[at:end] for at, end in zip(found, [*found[1:], None], strict=False))
        return not all(map(_one_rank, options))


def _opened(fields: Fields) -> Iterator[str]:
    """The words, with those of a text that a shell is given as a command."""
    for at, field in enumerate(fields):
        is_script = at and (fields[0] == "eval" or re.fullmatch(r"-\w*c", fields[at - 1]))
        yield from field.split() if is_script else [field]


def _is_launcher(words: Fields, at: int, launchers: frozenset[str]) -> bool:
    """Whether the word is a launcher, and no path behind an option of another program."""
    if at and words[at - 1].startswith("-") and "/" in words[at]:
        return False
    name = _name(words[at])
    return name in launchers or _USUAL.fullmatch(name) is not None


def _one_rank(launch: Fields) -> bool:
    options = " ".join(launch)
    return set(_RANKS.findall(options)) == {"1"} or _ONE_ON_ONE_NODE.search(options) is not None


def _passed(words: Fields, launchers: frozenset[str] | None = None) -> Fields:
    """The words without those at the beginning that start what stands behind them, once.

    With `launchers`, these are of one rank, and left out as well.
    """
    while words:
        name = _name(words[0])
        if name in _CONTAINERS:
            image = next((at for at, word in enumerate(words) if _is_image(word)), None)
            if image is None:
                return words
            words = words[image + 1 :]
        elif (
            name in _PASS_ON
            or re.fullmatch(r"-.*|\w+=.*|\d+[smhd]?", words[0])
            or (launchers is not None and _is_launcher(words, 0, launchers))
        ):
            words = words[1:]
        else:
            return words
    return words


def _is_image(word: str) -> bool:
    return word.endswith((".sif", ".simg", ".img")) or "://" in word


def _place(words: Fields, ours: Fields) -> int | None:
    """Where the words of our launcher begin, the last time that they are there."""
    places = range(len(words) - len(ours), -1, -1) if ours else ()
    return next((at for at in places if words[at : at + len(ours)] == ours), None)


def _name(word: str) -> str:
    return word.rpartition("/")[2]
