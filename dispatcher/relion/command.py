"""One line of a submission: a RELION program with its parameters, or a plain shell line.

Order, repeats, single dashes, positionals and empty values all survive, because the arguments
are kept as words; parameters are a view of these words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

from ..errors import InputError
from ..host.shell_words import Word, split
from ..refusal.tell_end import JOB_RUNNER, pipeliner_job
from .programs import FILE_TOOLS, Call, lookup, strip_mpi

__all__ = ["Command", "called_programs", "is_option", "parse_command", "values_of"]

_WHICH = re.compile(r"`\s*which\s+(\S+?)\s*`")
# A launcher that RELION's template has before XXXcommandXXX: mpirun -n 5 `which relion_refine_mpi`
_LAUNCHER = re.compile(
    r"(?:\S*/)?(?:mpirun|mpiexec|[a-z_]+run)[\w.-]*(?:\s[^`;&|<>]*)?\s(?=`\s*which\s+relion_)"
)
_OPTION = re.compile(r"--?[A-Za-z][\w-]*(=.*)?", re.ASCII | re.DOTALL)
_REDIRECT = re.compile(r"\s(>>?)\s*([^\s>'\"]+)\s*$")


@dataclass(frozen=True)
class Command:
    """A program and its words.

    Attributes:
        kind: "relion" for a RELION program, "shell" for any other line.
        executable: the program, ``_mpi`` and any folder included; looked up where it runs.
        arguments: the words behind it.
        text: the line as RELION wrote it.
        redirect: (">" or ">>", file) for a shell line that writes a file.
        launcher: what RELION's own template has put before the program, and nobody runs.
    """

    kind: Literal["relion", "shell"]
    executable: Word
    arguments: tuple[Word, ...]
    text: str
    redirect: tuple[str, Word] | None = None
    launcher: str = ""

    @property
    def program(self) -> str:
        """The program's name as given, ``_mpi`` and any folder included."""
        return str(self.executable)

    @property
    def words(self) -> tuple[Word, ...]:
        """Program and arguments, and the file of a redirection."""
        return (self.executable, *self.arguments, *([self.redirect[1]] if self.redirect else []))

    @property
    def argv(self) -> list[str]:
        """Program and arguments before expansion on the node."""
        return [self.program, *map(str, self.arguments)]

    @property
    def base_program(self) -> str:
        """The program's name without folder and ``_mpi``; the CCP-EM Pipeliner's is its script."""
        return JOB_RUNNER if self.pipeliner_job else strip_mpi(self.program)

    @cached_property
    def pipeliner_job(self) -> str | None:
        """The job that the CCP-EM Pipeliner's job runner is to run; None for any other command."""
        return pipeliner_job(self.text)

    @property
    def is_file_tool(self) -> bool:
        """Whether it is one of the file commands RELION writes between its programs."""
        return self.kind == "shell" and self.program in FILE_TOOLS

    def __contains__(self, name: str) -> bool:
        """Whether the option `name` (without dashes) or the sub-command `name` is given."""
        return name in self._option_names or name == self.subcommand

    @cached_property
    def _option_names(self) -> tuple[str | None, ...]:
        """For each argument its name if it is an option; asked for dozens of times a job."""
        return tuple(map(_option_name, self.arguments))

    @property
    def subcommand(self) -> str | None:
        """The first argument if it is no option: ``relion_python_modelangelo build …``."""
        first = str(self.arguments[0]) if self.arguments else None
        return None if first is None or _OPTION.fullmatch(first) else first

    def value(self, name: str) -> str | None:
        """The value of the option `name` (its last occurrence wins, as in RELION ≥ 3.1).

        None if the option is not given; "" if it is empty or has no value.
        """
        found = None
        for at, option in enumerate(self._option_names):
            if option == name:
                text = str(self.arguments[at])
                following = self.arguments[at + 1 : at + 2]
                if "=" in text:
                    found = text.partition("=")[2]
                else:
                    found = str(following[0]) if following and not is_option(following[0]) else ""
        return found

    def without(self, name: str) -> Command:
        """The command with every occurrence of the option `name` and its value taken out."""
        kept: list[Word] = []
        skip_value = False
        for word in self.arguments:
            if skip_value and not is_option(word):
                skip_value = False
                continue
            skip_value = False
            if _option_name(word) == name.lstrip("-"):
                skip_value = "=" not in str(word)
            else:
                kept.append(word)
        return replace(self, arguments=tuple(kept))

    def with_option(self, option: str, values: Sequence[Word]) -> Command:
        """The command with `option` (dashes included) set to `values`, replacing what it had."""
        cleared = self.without(option)
        return replace(cleared, arguments=(*cleared.arguments, Word.literal(option), *values))

    def with_mpi(self, wanted: bool) -> Command:
        """The command with ``_mpi`` put on its program, or taken off."""
        *folder, name = self.executable.parts
        if not isinstance(name, str):
            return self
        name = name.removesuffix("_mpi") + ("_mpi" if wanted else "")
        return replace(self, executable=Word((*folder, name)))

    def shell(self) -> str:
        """Program and arguments as shell text in which nothing but variables expands."""
        return " ".join(self.shell_words())

    def shell_words(self) -> list[str]:
        """The words of :meth:`shell`, each quoted; the last two may be a redirection."""
        words = [word.shell() for word in (self.executable, *self.arguments)]
        if self.redirect:
            operator, target = self.redirect
            words += [operator, target.shell()]
        return words


def is_option(word: Word) -> bool:
    """``--gpu``, ``-pf`` and ``--x=1`` are options; ``-1``, ``-1.5e3``, ``" -a b "`` are values."""
    return _OPTION.fullmatch(str(word)) is not None


def values_of(command: Command, name: str) -> list[int]:
    """Where the values of the option `name` stand among the command's arguments."""
    return [
        at + 1
        for at, (word, following) in enumerate(pairwise(command.arguments))
        if str(word) == f"--{name}" and not is_option(following)
    ]


def _option_name(word: Word) -> str | None:
    return str(word).lstrip("-").partition("=")[0] if is_option(word) else None


def parse_command(line: str) -> Command:
    """Read one command line of RELION's script.

    Raises:
        InputError: quotes or backticks do not balance.
    """
    text = line.strip()
    line = line.lstrip()  # a blank at the end may be part of a word (``a\ ``)
    redirect = None
    before = _LAUNCHER.match(line)
    line = line[before.end() :] if before else line
    which = _WHICH.match(line)
    if which:
        executable, words = Word.literal(which[1]), split(line[which.end() :])
    else:
        if line.startswith("`"):
            raise InputError("the line starts with a backtick that is not `which PROGRAM`")
        executable, *rest = split(line)
        words = tuple(rest)
    program = str(executable)
    if which or program.rpartition("/")[2].startswith("relion_"):
        launcher = before[0].strip() if before else ""
        return Command("relion", executable, words, text, launcher=launcher)
    if program in FILE_TOOLS and (found := _REDIRECT.search(line)):
        words = split(line[: found.start()])[1:]
        redirect = (found[1], split(found[2])[0])
    return Command("shell", executable, words, text, redirect)


def called_programs(commands: Iterable[Command]) -> tuple[str, ...]:
    """The RELION programs that the commands need by name: their own, and those that these start.

    A program that is given with a path, or is none of RELION's, is left out.
    """
    names: dict[str, None] = {}
    for command in commands:
        if command.kind == "relion":
            calls = lookup(command.program).calls
            called = [_named(call, command) for call in calls if _is_made(call, command)]
            names.update(dict.fromkeys([command.program, *called]))
    return tuple(name for name in names if re.fullmatch(r"relion_\w+", name))


def _is_made(call: Call, command: Command) -> bool:
    """Whether the command starts that program."""
    asked = not call.when or any(option in command for option in call.when)
    return asked and not any(option in command for option in call.unless)


def _named(call: Call, command: Command) -> str:
    """The program that the command names for the call, else the usual one."""
    return next(filter(None, map(command.value, call.named_by)), call.program)
