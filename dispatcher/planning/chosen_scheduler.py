"""Which scheduler a job goes to, and with which command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..config.scheduler import Scheduler
from ..config.site import Site
from ..errors import ConfigError
from ..host.shell_words import split

__all__ = ["ChosenScheduler", "chosen_scheduler"]

_SHELLS = ("sh", "bash", "dash", "ksh", "zsh", "csh", "tcsh")


class ChosenScheduler(NamedTuple):
    """A scheduler of the site by its name, and the command that submits the job."""

    name: str
    scheduler: Scheduler
    submit_command: tuple[str, ...]


def chosen_scheduler(site: Site, parameters: Mapping[str, Any]) -> ChosenScheduler:
    """The scheduler and the submit command of the job's `parameters`, else those of the site.

    A submit command alone (the FMI format) names the scheduler that uses the same program.

    Raises:
        ConfigError: the site has no scheduler of that name.
    """
    own = parameters.get("submit_command")
    command = tuple(str(word) for word in split(str(own))) if own else ()
    name = parameters.get("scheduler")
    if name is None and command:
        name = _with_command(site, Path(command[0]).name)
    name = str(name or site.scheduler)
    if name not in site.schedulers:
        raise ConfigError(
            f'There is no scheduler "{name}" at this site ({", ".join(site.schedulers)}): ask your '
            'admin to correct "scheduler" of the job type.'
        )
    scheduler = site.schedulers[name]
    return ChosenScheduler(name, scheduler, command or tuple(scheduler.submit_command))


def _with_command(site: Site, program: str) -> str | None:
    """The name of the scheduler that submits with the program.

    A shell starts the job at once. If no scheduler names that shell, the scheduler is one whose
    jobs do not wait for a turn.
    """
    for name, scheduler in site.schedulers.items():
        if Path(scheduler.submit_command[0]).name == program:
            return name
    for name, scheduler in site.schedulers.items():
        if program in _SHELLS and scheduler.detached and not scheduler.one_at_a_time:
            return name
    return None
