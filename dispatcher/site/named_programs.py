"""Which programs does a site name? A site from elsewhere may name any, and an import runs none."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.site import Apptainer, Site

__all__ = ["is_default_apptainer", "named_programs"]


def named_programs(site: Site) -> list[str]:
    """The programs that the site's commands start, each once; sites may add more in templates."""
    commands = [[site.apptainer.program]]
    for scheduler in site.schedulers.values():
        commands += [scheduler.submit_command, scheduler.queue_command, scheduler.end_command]
        commands += [scheduler.accounting_command, scheduler.cancel_command, scheduler.launch]
        commands += [scheduler.usage_command, scheduler.through]
        commands += [scheduler.watcher.submit_command] if scheduler.watcher else []
    return list(dict.fromkeys(_program(command) for command in commands if command))


def _program(command: Sequence[str]) -> str:
    """What the command starts; with variables set for it, by ``env``.

    >>> _program(["env", "FORMAT=%s", "ledger", "--jobs=17"])
    'ledger'
    """
    if command[0] != "env":
        return command[0]
    return next((word for word in command[1:] if "=" not in word), command[0])


def is_default_apptainer(site: Site) -> bool:
    """Whether the site leaves it to this machine what Apptainer is."""
    return site.apptainer.program == Apptainer().program
