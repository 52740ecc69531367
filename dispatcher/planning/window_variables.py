"""Which variables make RELION's window show what holds at this site?

RELION reads them when its window opens (pipeline_jobs.cpp, 3.1 to 5.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from ..config.partition import kinds
from ..config.site import Site
from ..config.window import FIELDS, Window
from ..config.window_field import UNSET
from .chosen_scheduler import chosen_scheduler
from .matched_type import with_lineage
from .placement import partition_names

__all__ = ["WindowVariables", "window_variables"]

_TOGETHER = re.compile(rf"RELION_QSUB_EXTRA.*|{FIELDS}", re.DOTALL)
_LONGEST_SLIDER = 256  # steps that a mouse can still tell apart; more can be typed
_LEAST_RANKS, _LEAST_THREADS = 3, 2  # a refinement's half sets; a slider with one step has no end


class WindowVariables(NamedTuple):
    """Variables by name, in order.

    Attributes:
        fields: the further fields, and their names for the hook. They belong together: another
            value of one of them would give a field what was typed in another.
        defaults: what RELION's own fields show, unless the user has set the variable.
    """

    fields: Mapping[str, str] = {}
    defaults: Mapping[str, str] = {}

    def laid_upon(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment with these variables; none of another window's fields stay."""
        own = {name: value for name, value in environment.items() if not _TOGETHER.fullmatch(name)}
        return {**self.defaults, **own, **self.fields}


def window_variables(configuration: Configuration) -> WindowVariables:
    """The variables of the site's window.

    Raises:
        ConfigError: a job type names a scheduler that there is not.
    """
    site, parameters = configuration.site, _parameters(configuration)
    return WindowVariables(dict(_of_fields(site.window)), dict(_of_relions_own(site, parameters)))


def _of_fields(window: Window) -> Iterator[tuple[str, str]]:
    offered = window.offered
    yield "RELION_QSUB_EXTRA_COUNT", str(len(offered))  # 2 if it is not set
    for number, (name, field) in enumerate(offered.items(), 1):
        variable = f"RELION_QSUB_EXTRA{number}"
        yield variable, window.label(name).strip() or f"{name}:"
        yield f"{variable}_DEFAULT", field.default.strip() or UNSET
        yield f"{variable}_HELP", window.help(name).strip() or UNSET
    yield FIELDS, ",".join(offered)


def _of_relions_own(
    site: Site, parameters: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """RELION_QSUB_NRMPI and RELION_QSUB_NRTHREADS stay unset: the job types' numbers count, or as
    many as fit, so no number in the window would be truer than RELION's own 1."""
    yield "RELION_QUEUE_NAME", _only_partition(site, parameters) or UNSET
    if cores := _most_cores(site):
        nodes = max((each.get("nodes") or 1 for each in parameters), default=1)
        yield "RELION_MPI_MAX", str(min(max(cores * nodes, _LEAST_RANKS), _LONGEST_SLIDER))
        yield "RELION_THREAD_MAX", str(min(max(cores, _LEAST_THREADS), _LONGEST_SLIDER))
    if scratch := _scratch(site):
        yield "RELION_SCRATCH_DIR", scratch
    # Nodes are filled by what the site says of them: a number typed here would change nothing.
    yield "RELION_MINIMUM_DEDICATED", "1"
    yield "RELION_ALLOW_CHANGE_MINIMUM_DEDICATED", "0"  # RELION ends at any word


def _parameters(configuration: Configuration) -> list[Mapping[str, Any]]:
    """The job parameters of each type whose jobs wait in a queue."""
    types = configuration.job_types.types
    every = [with_lineage(name, configuration).parameters for name in types]
    of_jobs = [each for each, kind in zip(every, types.values(), strict=True) if kind.matches_jobs]
    site = configuration.site
    return [each for each in of_jobs if not chosen_scheduler(site, each).scheduler.detached]


def _only_partition(site: Site, parameters: Sequence[Mapping[str, Any]]) -> str | None:
    """The partition of all jobs, if there is just one."""
    found = {name for each in parameters for name in partition_names(each, None, site)}
    name = found.pop() if len(found) == 1 else None
    return name if name and name.isprintable() else None


def _most_cores(site: Site) -> int | None:
    """Those of the largest node."""
    nodes = [each for partition in site.partitions.values() for each in kinds(partition)]
    return max((each.cores for each in nodes if each.cores), default=None)


def _scratch(site: Site) -> str | None:
    """The folder that nodes of all partitions have, if its path has no variable of a node."""
    sites = [site.on(each) for each in site.partitions.values()] or [site]
    folders = {each.scratch.folder if each.scratch else "" for each in sites}
    folder = folders.pop() if len(folders) == 1 else ""
    return folder if re.fullmatch(r"/[\w./+@%,=-]*", folder, re.ASCII) else None
