"""Does a site's own scheduler lack what the shipped one of the same commands has?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..config.places import config_path, files_in, scheduler_folders
from ..config.site import Site

__all__ = ["scheduler_problems"]


def scheduler_problems(site: Site) -> Iterator[str]:
    """A sentence for each scheduler that should inherit from a shipped one, and does not.

    Its jobs would lack the shell functions and the launcher that the shipped one has.
    """
    shipped = {path.stem for path in files_in(scheduler_folders()[0], ".json")}
    programs = {
        Path(site.schedulers[name].submit_command[0]).name: name
        for name in shipped
        if not site.schedulers[name].detached
    }
    for name, scheduler in site.schedulers.items():
        parent = programs.get(Path(scheduler.submit_command[0]).name)
        alone = scheduler.inherits is None and scheduler.directives not in shipped
        if parent and alone and name not in shipped:
            yield (
                f'{config_path("site.json")}: key "schedulers.{name}": it submits as '
                f'"{parent}" does and lacks what "{parent}" has: set "inherits": "{parent}". '
                f"Templates in job_template/schedulers/ of the name {name} are then read under the "
                f"name {parent}: rename them."
            )
