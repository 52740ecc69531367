"""Which schedulers answer here, and what do they tell of their clusters?"""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.scheduler import Scheduler
from . import surveys
from .calls import call
from .clusters import options_in
from .no_way import NoWayError
from .surveyed import Surveyed

__all__ = ["Answers", "asked_as", "can_be_surveyed", "survey"]

_LONGEST = 300  # characters of what a command says


class Answers(NamedTuple):
    """What schedulers answer, by their names.

    Attributes:
        told: what those tell that answer.
        failed: what a command of each of the others says that are here; for people.
    """

    told: dict[str, Surveyed]
    failed: dict[str, str]


def can_be_surveyed() -> list[str]:
    """The names of the schedulers that can be asked, sorted."""
    names = (module.name for module in pkgutil.iter_modules(surveys.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def asked_as(name: str, schedulers: Mapping[str, Scheduler]) -> str | None:
    """The scheduler as which this one is asked: itself, or the one that it inherits from, if any
    can be asked.
    """
    known = can_be_surveyed()
    while name not in known:
        parent = schedulers[name].inherits if name in schedulers else None
        if parent is None:
            return None
        name = parent
    return name


def survey(schedulers: Mapping[str, Scheduler], names: Sequence[str]) -> Answers:
    """What those of the named schedulers tell that answer here, and what the others say.

    Their commands are called as for jobs: in the scheduler's time, without variables of users, and
    at the cluster to which the submit command leads.
    """
    modules = {name: asked_as(name, schedulers) for name in names if name in schedulers}
    found = {name: _ask_all(of, schedulers[name]) for name, of in modules.items() if of}
    return Answers(
        {name: told for name, told in found.items() if isinstance(told, Surveyed)},
        {name: why for name, why in found.items() if isinstance(why, str)},
    )


def _ask_all(module_name: str, scheduler: Scheduler) -> Surveyed | str | None:
    """What the scheduler tells; what a command of it says in place of that; None if it is not here.

    It is not here if a command is missing: one command alone may be another scheduler's.
    """
    module = importlib.import_module(f".surveys.{module_name}", __package__)
    where = options_in(scheduler, scheduler.submit_command)
    said: list[str] = []
    missing: list[str] = []

    def ask(argv: Sequence[str]) -> str | None:
        try:
            done = call(scheduler, [*argv, *where], Path.cwd())
        except (OSError, subprocess.TimeoutExpired) as error:
            if _is_not_there(error):
                missing.append(argv[0])
            else:
                said.append(f"`{' '.join(argv)}`: {_in_words(error)}")
            return None
        if done.status == 0:
            return done.stdout or done.stderr
        words = re.sub(r"\s+", " ", done.stderr or done.stdout).strip()[:_LONGEST]
        said.append(f"`{' '.join(argv)}`: {words or f'exit status {done.status}'}")
        return None

    told: Surveyed | None = module.survey(ask)
    if told is None and not missing:
        return said[0] if said else "its commands name no queues and no nodes"
    return told


def _is_not_there(error: Exception) -> bool:
    """Whether the machine on which the commands run has no such program."""
    if isinstance(error, NoWayError):
        return error.lacks == "program"
    return isinstance(error, FileNotFoundError)


def _in_words(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {error.timeout:g} seconds"
    return str(error)
