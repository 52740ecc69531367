"""Can each scheduler's launcher start the kind of MPI that jobs on several nodes need?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config.catalogue import Catalogue
from ..config.configuration import Configuration
from ..config.job_types import JobTypes
from ..config.places import config_path
from ..config.scheduler import Scheduler
from ..config.site import Site
from ..errors import DispatchError
from ..planning.chosen_scheduler import chosen_scheduler
from ..planning.matched_type import with_lineage
from ..scheduler.calls import try_call
from .job_type_check import named

__all__ = ["launch_problems"]


def launch_problems(site: Site, types: JobTypes) -> Iterator[str]:
    """A sentence for each scheduler whose launcher does not know the kind of MPI that it is to
    start for jobs on several nodes; nothing of a launcher that does not answer here."""
    for name, of_scheduler in _on_several_nodes(site, types).items():
        scheduler = site.schedulers[name]
        launcher = site.launch(scheduler)
        wanted = _kind_of_mpi(scheduler, launcher)
        known = _known_kinds(scheduler) if wanted else []
        if known and wanted not in known:
            yield (
                f'The launcher of the scheduler "{name}" ({" ".join(launcher)}) does not know '
                f'"{wanted}", so {named(of_scheduler)} cannot run on several nodes. It knows '
                f"{', '.join(known)}: ask the admin of the scheduler for {wanted}, set "
                f'"launch" of the scheduler in {config_path("site.json")} to a kind of MPI that '
                'RELION in your images was built with, or set "nodes" of the job types to 1.'
            )


def _on_several_nodes(site: Site, types: JobTypes) -> dict[str, list[str]]:
    """By scheduler, the job types whose jobs run on more than one node."""
    found: dict[str, list[str]] = {}
    no_images = Catalogue(images={}, path=config_path("images.json"))
    configuration = Configuration(site, types, no_images)
    for name, kind in types.types.items():
        parameters = with_lineage(name, configuration).parameters
        if kind.matches_jobs and (parameters.get("nodes") or 1) > 1:
            try:
                found.setdefault(chosen_scheduler(site, parameters).name, []).append(name)
            except DispatchError:  # told elsewhere
                continue
    return found


def _kind_of_mpi(scheduler: Scheduler, launcher: Sequence[str]) -> str | None:
    """The kind of MPI that a word of the launcher names."""
    matching = (re.fullmatch(scheduler.mpi_option or "(?!)", word) for word in launcher)
    return next((str(found[1]) for found in matching if found), None)


def _known_kinds(scheduler: Scheduler) -> list[str]:
    """The words that the launcher prints as kinds of MPI; none if it does not answer."""
    command = scheduler.mpi_types_command
    done = try_call(scheduler, command, Path.cwd()) if command else None
    if done is None or done.status != 0:
        return []
    lines = (line.strip() for line in (done.stdout + done.stderr).splitlines())
    return [line for line in lines if re.fullmatch(r"[\w./-]+", line)]
