"""Does a site's own scheduler lack what the shipped one of the same commands has, and does each
folder of templates belong to a scheduler?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..config.json_files import nearest
from ..config.places import config_path, files_in, scheduler_folders, template_folders
from ..config.scheduler import template_folders_of
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
    yield from _unread_folders(site)
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


def _unread_folders(site: Site) -> Iterator[str]:
    """A sentence for each folder of the site's templates that no scheduler has."""
    read = {each for name in site.schedulers for each in template_folders_of(name, site.schedulers)}
    *own, _ = template_folders()
    for folder in own:
        schedulers = folder / "schedulers"
        files = files_in(schedulers, ".j2", ".sh", below=True)
        places = (path.relative_to(schedulers).parts for path in files)
        names = sorted({parts[0] for parts in places if len(parts) > 1})
        for name in names:
            if name not in read:
                yield (
                    f"{schedulers / name}: no scheduler reads this folder"
                    f'{nearest(name, sorted(read)) or ":"} Name the folder in "directives" of a '
                    "scheduler, or rename it."
                )
