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

__all__ = ["can_be_surveyed", "survey"]


def can_be_surveyed() -> list[str]:
    """The names of the schedulers that can be asked, sorted."""
    names = (module.name for module in pkgutil.iter_modules(surveys.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def survey(schedulers: Mapping[str, Scheduler], names: Sequence[str]) -> dict[str, Surveyed]:
    """What those of the named schedulers tell that answer here.

    Their commands are called as for jobs: in the scheduler's time, without variables of users.
    """
    found = {name: _ask_all(name, schedulers[name]) for name in names if name in schedulers}
    return {name: told for name, told in found.items() if told is not None}


def _ask_all(name: str, scheduler: Scheduler) -> Surveyed | None:
    module = importlib.import_module(f"{surveys.__name__}.{name}")
    folder = Path.cwd()

    def ask(argv: Sequence[str]) -> str | None:
        done = try_call(scheduler, argv, folder)
        return None if done is None or done.status != 0 else done.stdout or done.stderr

    told: Surveyed | None = module.survey(ask)
    return told
