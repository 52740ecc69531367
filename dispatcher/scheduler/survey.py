"""Which schedulers answer here, and what do they tell of their clusters?"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..config.scheduler import Scheduler
from . import surveys
from .calls import try_call
from .surveyed import Surveyed

__all__ = ["asked_as", "can_be_surveyed", "survey"]


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


def survey(schedulers: Mapping[str, Scheduler], names: Sequence[str]) -> dict[str, Surveyed]:
    """What those of the named schedulers tell that answer here.

    Their commands are called as for jobs: in the scheduler's time, without variables of users.
    """
    modules = {name: asked_as(name, schedulers) for name in names if name in schedulers}
    found = {name: _ask_all(of, schedulers[name]) for name, of in modules.items() if of}
    return {name: told for name, told in found.items() if told is not None}


def _ask_all(module_name: str, scheduler: Scheduler) -> Surveyed | None:
    module = importlib.import_module(f".surveys.{module_name}", __package__)
    folder = Path.cwd()

    def ask(argv: Sequence[str]) -> str | None:
        done = try_call(scheduler, argv, folder)
        return None if done is None or done.status != 0 else done.stdout or done.stderr

    told: Surveyed | None = module.survey(ask)
    return told
