"""Does a site's own scheduler lack what the shipped one of the same commands has, and is there
something that nothing reads?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..config.job_types import JobTypes
from ..config.json_files import nearest
from ..config.places import config_path, files_in, scheduler_folders, template_folders
from ..config.scheduler import Scheduler, template_folders_of
from ..config.site import Site
from ..config.where import Where

__all__ = ["scheduler_problems", "unread_names", "unread_wishes"]

_WISHES = ("account", "qos", "constraint", "gpu_type", "resources")


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
        text = _templates_of(name, site)
        read = sorted(set(re.findall(r"names\.(\w+)|names\.get\([\"'](\w+)", text)))
        known = [one or other for one, other in read]
        for key in scheduler.names:
            if key not in known:
                yield (
                    f'{config_path("site.json")}: key "schedulers.{name}.names.{key}": no template '
                    f"of this scheduler uses it{nearest(key, known) or ': remove the key.'}"
                )


def unread_wishes(site: Site, types: JobTypes) -> Iterator[str]:
    """A sentence for each wish of the site that the templates of its schedulers do not pass on."""
    asked = {site.scheduler} | {
        str(name)
        for level, kind in types.types.items()
        for name in (kind.job_parameters.get("scheduler"), _own(site, level).get("scheduler"))
        if name
    }
    for name in sorted(asked & site.schedulers.keys()):
        if site.schedulers[name].detached:
            continue  # its jobs ask for nothing
        text = _templates_of(name, site)
        for key in _WISHES:
            if not site.schedulers[name].can_ask_for(key):
                why = f'its "names.{key}" is empty: set it in site.json.'
            elif not re.search(rf"\bjob\.{key}\b|\"{key}\"", text):
                why = f'no template of it has job.{key}: ask for it by "scheduler_options".'
            else:
                continue
            for where in _places_of(key, site):
                yield f'{where}: jobs of the scheduler "{name}" do not ask for it, because {why}'


def _places_of(key: str, site: Site) -> Iterator[Where]:
    """Where the site's files have such a wish."""
    file = Where(config_path("site.json"))
    for name, partition in site.partitions.items():
        place = file.at("partitions").at(name)
        kinds = [(place.at("nodes").at(str(at)), kind) for at, kind in enumerate(partition.nodes)]
        yield from (each.at(key) for each, has in ((place, partition), *kinds) if _has(has, key))
    for at, rule in enumerate(site.accounts):
        if _has(rule, key):
            yield file.at("accounts").at(str(at)).at(key)
    for level in site.job_parameters:
        if _own(site, level).get(key):
            yield file.at("job_parameters").at(level).at(key)


def _has(by: object, key: str) -> bool:
    return bool(getattr(by, key, None))


def _own(site: Site, level: str) -> Mapping[str, object]:
    return site.job_parameters.get(level, {})


def _templates_of(name: str, site: Site) -> str:
    """All that the templates of a scheduler's folders say."""
    served = template_folders_of(name, site.schedulers)
    folders = [place / "schedulers" / each for place in template_folders() for each in served]
    return "\n".join(
        file.read_text(encoding="utf-8", errors="replace")
        for folder in folders
        for file in files_in(folder, ".j2")
    )


def _submit_alike(one: Scheduler, other: Scheduler) -> bool:
    """Whether their commands are the same; several schedulers call theirs alike."""
    commands = [Path(each.submit_command[0]).name for each in (one, other)]
    return not one.detached and commands[0] == commands[1]
