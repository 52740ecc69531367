"""Does a site's own scheduler lack what the shipped one of the same commands has, and is there
something that nothing reads?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..config.json_files import nearest
from ..config.places import config_path, files_in, scheduler_folders, template_folders
from ..config.scheduler import Scheduler, template_folders_of
from ..config.site import Site

__all__ = ["scheduler_problems", "unread_names"]


def scheduler_problems(site: Site) -> Iterator[str]:
    """A sentence for each scheduler that should inherit from a shipped one, and does not.

    Its jobs would lack the shell functions and the launcher that the shipped one has.
    """
    shipped = sorted(path.stem for path in files_in(scheduler_folders()[0], ".json"))
    for name, scheduler in site.schedulers.items():
        if name in shipped or scheduler.inherits is not None or scheduler.directives in shipped:
            continue
        if alike := [each for each in shipped if _submit_alike(site.schedulers[each], scheduler)]:
            parents = " or ".join(f'"{each}"' for each in alike)
            which = "" if len(alike) == 1 else ", whichever your cluster has"
            yield (
                f'{config_path("site.json")}: key "schedulers.{name}": it submits as {parents} '
                f'does and lacks what that one has: set "inherits": {parents}{which}. '
                f"Templates in job_template/schedulers/ of the name {name} are then read under "
                "that name: rename them."
            )


def unread_names(site: Site) -> Iterator[str]:
    """A sentence for each of a scheduler's `names` that no template of its own asks for."""
    for name, scheduler in site.schedulers.items():
        if not scheduler.names:
            continue
        served = template_folders_of(name, site.schedulers)
        folders = [place / "schedulers" / each for place in template_folders() for each in served]
        texts = [
            file.read_text(encoding="utf-8", errors="replace")
            for folder in folders
            for file in files_in(folder, ".j2")
        ]
        read = sorted(set(re.findall(r"names\.(\w+)|names\.get\([\"'](\w+)", "\n".join(texts))))
        known = [one or other for one, other in read]
        for key in scheduler.names:
            if key not in known:
                yield (
                    f'{config_path("site.json")}: key "schedulers.{name}.names.{key}": no template '
                    f"of this scheduler uses it{nearest(key, known) or ': remove the key.'}"
                )


def _submit_alike(one: Scheduler, other: Scheduler) -> bool:
    """Whether their commands are the same; several schedulers call theirs alike."""
    commands = [Path(each.submit_command[0]).name for each in (one, other)]
    return not one.detached and commands[0] == commands[1]
