"""Which places are there to look at, with which plan, image and scheduler?

The plan is that of a made-up job of a type that goes to the partition, made small: so the job has
the directives, the modules and the scheduler of the site's jobs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..config.catalogue import Catalogue, Listed
from ..config.configuration import Configuration
from ..config.site import Partition
from ..errors import ConfigError, DispatchError, ImageError
from ..host import programs
from ..host.shell_words import quote, split
from ..images.awaited import awaited_images
from ..images.sif import read_header
from ..planning.chosen_scheduler import chosen_scheduler
from ..planning.matched_type import with_lineage
from ..planning.placement import partition_names
from ..planning.plan import Plan
from ..planning.scratch import scratch_of
from ..site.sample_jobs import sample_plan
from .asked import HERE, Asked

__all__ = ["Place", "all_partitions", "here", "partition_place"]

_LEAST = {"mem": "2G", "time": "00:05:00"}
_RANKS = 2


class Place(NamedTuple):
    """A place to look at.

    Attributes:
        asked: what is asked there.
        plan: of a small job there.
        image: its image; None if there is none that this machine can read.
        image_state: size and SIF id of the file here.
        scratch: the scratch folder as shell text, "" for none.
    """

    asked: Asked
    plan: Plan
    image: Listed | None
    image_state: str
    scratch: str


def all_partitions(configuration: Configuration) -> list[str | None]:
    """The partitions that the site describes, and those to which its job types go; [None] where
    the scheduler has none that the site names."""
    site = configuration.site
    names: dict[str, None] = dict.fromkeys(site.partitions)
    for name, kind in configuration.job_types.types.items():
        if kind.matches_jobs:
            parameters = with_lineage(name, configuration).parameters
            found = partition_names(parameters, None, site)
            names |= dict.fromkeys(each for each in found if each is not None)
    return [*names] or [None]


def partition_place(
    name: str | None, configuration: Configuration, project: Path, nodes: int, scratch: str | None
) -> Place:
    """The partition of that name; `nodes` is 0 for as many as its job types may have.

    Raises:
        ConfigError: no job type has a plan there.
    """
    site = configuration.site
    shape = site.partitions.get(name or "", Partition())
    candidates = list(_plans(name, configuration))
    if not candidates:
        raise ConfigError(
            f'No small job of the site goes to partition "{name}", so there is none to look with: '
            'run `relion-dispatch check`, and correct "partitions" in site.json (it has '
            f"{', '.join(site.partitions) or 'none'}). Nothing is wrong if the partition's "
            '"takes" leaves out small jobs.'
        )
    most = nodes or max(plan.nodes for plan in candidates)
    asked = Asked(name or site.scheduler, name is not None, shape, nodes=most)
    folder = _scratch(candidates) if scratch is None else scratch
    return _place(_best(candidates), asked, configuration, project, folder)


def here(configuration: Configuration, project: Path, scratch: str | None) -> Place:
    """This machine, with its own GPUs.

    Raises:
        ConfigError: no job type has a plan.
    """
    plans = list(_plans(None, configuration))
    if not plans:
        raise ConfigError("No job of the site has a plan: run `relion-dispatch check`.")
    vendor = configuration.site.apptainer.gpu_vendor
    has_gpus = programs.run(["test", "-e", str(vendor.device)]).status == 0
    best = _best([plan for plan in plans if has_gpus or not plan.ngpu] or plans)
    best = best._replace(ngpu=1 if has_gpus else 0)
    folder = _scratch(plans) if scratch is None else scratch
    return _place(best, Asked(HERE, is_partition=False), configuration, project, folder)


def _plans(partition: str | None, configuration: Configuration) -> Iterator[Plan]:
    """The plans of jobs that go to the partition, else those that are sent there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalogue = awaited_images(folder, configuration.job_types, configuration.site)
        sample = configuration._replace(catalogue=catalogue)
        own: list[str] = []
        others: list[str] = []
        for kind in configuration.job_types.types:
            if configuration.job_types.types[kind].matches_jobs:
                parameters = with_lineage(kind, configuration).parameters
                goes = partition in partition_names(parameters, None, configuration.site)
                (own if goes or partition is None else others).append(kind)
        found = False
        for kinds in (own, others):
            for kind in () if found else kinds:
                with suppress(DispatchError):
                    plan = sample_plan(kind, _only_on(partition, kind, sample), folder)
                    scheduler = chosen_scheduler(plan.site, plan.job_parameters)
                    if partition is None or not scheduler.scheduler.detached:
                        found = True
                        yield plan


def _only_on(partition: str | None, kind: str, configuration: Configuration) -> Configuration:
    site = configuration.site
    where = {"partition": partition, "partitions": None}
    parameters = {**site.job_parameters, kind: {**site.job_parameters.get(kind, {}), **where}}
    return configuration._replace(site=replace(site, job_parameters=parameters))


def _best(plans: list[Plan]) -> Plan:
    """A plan with GPUs if there is one, else in an image, with ranks: most is to be seen there."""
    return max(plans, key=lambda plan: (plan.ngpu > 0, plan.image is not None, plan.uses_mpi))


def _scratch(plans: Sequence[Plan]) -> str:
    """The scratch folder that the site, or the partition, gives to its jobs, as shell text; "" for
    none. If neither says anything, RELION's window proposes that of a variable."""
    if of_site := plans[0].site.scratch:
        return split(of_site.folder)[0].shell() if of_site.folder else ""
    found = (scratch_of(each.command) for plan in plans for each in plan.commands)
    default = os.environ.get("RELION_SCRATCH_DIR")
    named = quote(default) if default else ""
    return next((scratch.folder.shell() for scratch in found if scratch), named)


def _place(
    plan: Plan, asked: Asked, configuration: Configuration, project: Path, scratch: str
) -> Place:
    site, gpus = plan.site, min(1, plan.ngpu)
    image, no_image, state = _image(configuration.catalogue, plan, gpus, asked.place)
    asked = asked._replace(
        gpus=gpus,
        gpu_title=site.apptainer.gpu_vendor.title,
        has_tool=site.apptainer.gpu_vendor.memory_tool is not None,
        mps=site.shares_through_mps,
        image=str(image) if image else "",
        no_image=no_image,
        gpu_image=bool(image and image.build.gpu and gpus),
        scheduler=plan.scheduler,
        own_warning=site.schedulers[plan.scheduler].own_warning,
    )
    settled = {
        key: value
        for key, value in plan.job_parameters.items()
        if key not in ("nproc_slurm", "nthread_slurm")
    }
    small = plan._replace(
        project=project,
        nproc=_RANKS,
        nthread=1,
        ngpu=gpus,
        nodes=1,
        mps=False,
        lock=None,
        image=None,
        job_parameters={**settled, **_LEAST},
    )
    return Place(asked, small, image, state, scratch)


def _image(
    catalogue: Catalogue, plan: Plan, gpus: int, partition: str
) -> tuple[Listed | None, str, str]:
    """The plan's image, why there is none, and the state of its file here."""
    if plan.image is None:
        return None, "its jobs run on the host, without an image", ""
    kind = plan.site.apptainer.gpu_kind if gpus else None
    found = [
        each
        for each in catalogue.builds()
        if each.name == plan.image.name
        and each.is_default
        and partition in (each.build.partitions or [partition])
    ]
    ordered = sorted(found, key=lambda each: each.build.gpu != kind)
    if not ordered:
        why = f'no image "{plan.image.name}" is in the catalogue yet (`relion-dispatch images add`)'
        return None, why, ""
    try:
        header = read_header(ordered[0].path)
    except ImageError as error:
        return None, f"this machine cannot use it: {str(error).rstrip('.')}", ""
    return ordered[0], "", f"{header.size} {header.sif_id}"
