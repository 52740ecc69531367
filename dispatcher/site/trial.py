"""Asking a scheduler whether it would take a script, and because of which directive it would not.

The scheduler's file has the command (`trial_command`), which submits nothing. Each question is
asked once: most of a site's jobs have the directives of others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.scheduler import Scheduler
from ..errors import DispatchError
from ..host.directives import directive, first_command
from ..scheduler.calls import try_call
from ..scheduler.clusters import options_in
from .through_check import is_known_to_lack
from .trial_command import can_be_tried, trial_words

__all__ = ["NoAnswerError", "Objection", "Trials"]

_LONGEST = 300  # characters of what a scheduler says
_PARTITION = "partition="  # so begins a line on a partition: a site's programs may greet
_MOST = 5  # mistakes of a script that are told


class _Answer(NamedTuple):
    """Whether a scheduler would take a job, and what it says of that."""

    takes: bool
    says: str


class Objection(NamedTuple):
    """What a scheduler says against a job, and the directives of which any one is to blame."""

    says: str
    directives: list[str]


class NoAnswerError(DispatchError):
    """The scheduler does not answer, or answers that it cannot answer now."""


class Trials:
    """The questions to one scheduler, with scripts in a private folder."""

    def __init__(self, scheduler: Scheduler, folder: Path) -> None:
        self._scheduler, self._folder = scheduler, folder
        self._known: dict[tuple[object, ...], _Answer] = {}
        self._known_causes: dict[str, list[str]] = {}  # directives by what was said of them

    def can_try(self, command: Sequence[str]) -> bool:
        """Whether a job that this command submits can be tried: nothing is known of others."""
        return can_be_tried(self._scheduler.trial_command, command)

    def would_take(self, command: Sequence[str], script: str) -> bool:
        """Whether the scheduler would take the script by this submit command.

        Raises:
            NoAnswerError: it does not answer.
        """
        return self._answer(command, script).takes

    def _answer(self, command: Sequence[str], script: str) -> _Answer:
        lines = script.splitlines()
        key = (*command, *lines[: first_command(lines)])
        if key not in self._known:
            self._known[key] = self._ask(command, script)
        return self._known[key]

    def _ask(self, command: Sequence[str], script: str) -> _Answer:
        file = self._folder / "trial.sh"
        file.write_text(script, errors="surrogateescape")
        argv = trial_words(self._scheduler.trial_command, command, str(file))
        done = try_call(self._scheduler, argv, self._folder)
        if done is None:
            raise NoAnswerError(f"{command[0]} did not answer")
        says = re.sub(r"\s+", " ", done.stdout + done.stderr).strip()
        if done.status == 0:
            return _Answer(True, says)
        passing = any(re.search(each, says, re.IGNORECASE) for each in self._scheduler.transient)
        if passing or done.status < 0:
            raise NoAnswerError(says[:_LONGEST])
        return _Answer(False, says)

    def objections(self, command: Sequence[str], script: str) -> list[Objection]:
        """Why the scheduler would not take the script; nothing if it would.

        A scheduler names one mistake at a time. So the directive that is to blame is left out, and
        the scheduler is asked again.

        Raises:
            NoAnswerError: it does not answer.
        """
        found: list[Objection] = []
        lines = script.splitlines()
        while len(found) < _MOST and not (answer := self._answer(command, _joined(lines))).takes:
            blamed = self._blamed(command, lines, answer)
            directives = [directive(lines[at]) or "" for at in blamed]
            self._known_causes[answer.says] = directives
            found.append(Objection(answer.says[:_LONGEST], directives))
            if not blamed:
                break
            lines = [line for at, line in enumerate(lines) if at not in blamed]
        return found

    def _blamed(self, command: Sequence[str], lines: Sequence[str], said: _Answer) -> list[int]:
        """The lines of the directives without any of which the scheduler would take the script.

        If there is none, those without which it says something else. Directives that it has said
        the same of before are tried first, and if they are to blame again, no others.
        """
        options = [(at, directive(line)) for at, line in enumerate(lines[: first_command(lines)])]
        causes = self._known_causes.get(said.says, [])
        before = [at for at, option in options if option and option in causes]
        taken, other = self._without_each(command, lines, said, before)
        if before and len(taken or other) == len(before):
            return taken or other
        taken, other = self._without_each(
            command, lines, said, [at for at, each in options if each]
        )
        return taken or other

    def _without_each(
        self, command: Sequence[str], lines: Sequence[str], said: _Answer, places: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """The lines without which the scheduler takes the script; without which it speaks of
        something else."""
        taken, other = [], []
        for at in places:
            answer = self._answer(command, _joined([*lines[:at], *lines[at + 1 :]]))
            if answer.takes:
                taken.append(at)
            elif answer.says != said.says:
                other.append(at)
        return taken, other

    def partitions(self) -> dict[str, list[str]]:
        """What the scheduler tells of the nodes of each of its partitions; nothing if it has no
        command for that.

        Raises:
            NoAnswerError: it does not answer.
        """
        found: dict[str, list[str]] = {}
        command = self._scheduler.partitions_command
        if command and not is_known_to_lack(self._scheduler, command[0]):
            command = [*command, *options_in(self._scheduler, self._scheduler.submit_command)]
            done = try_call(self._scheduler, command, self._folder)
            if done is None or done.status != 0:
                says = re.sub(r"\s+", " ", done.stderr).strip() if done else "it did not answer"
                own = f"{Path(command[0]).name}: "  # most programs begin with their name themselves
                raise NoAnswerError(f"{own}{says.removeprefix(own)[:_LONGEST]}")
            for line in done.stdout.splitlines():
                if line.startswith(_PARTITION):
                    name, _, nodes = line.removeprefix(_PARTITION).partition(" ")
                    found.setdefault(name, []).append(nodes.strip())
        return found


def _joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
