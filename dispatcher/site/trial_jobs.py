"""Made-up jobs to be tried at their scheduler: of each type, on each partition where it may run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from ..config.job_types import ADDED
from ..config.site import Partition
from ..errors import DispatchError
from ..job_script.variables import NO_TOKEN, job_script
from ..jobs.watcher import watcher_script
from ..planning.chosen_scheduler import chosen_scheduler
from ..planning.matched_type import with_lineage
from ..planning.placement import partition_names
from ..planning.plan import Plan
from ..scheduler.clusters import options_in
from ..units import bytes_of
from .sample_jobs import sample_plan
from .trial_command import without_job

__all__ = ["TrialJob", "sample_jobs", "small_job", "watcher_of", "whole_node"]


class TrialJob(NamedTuple):
    """Jobs of these types, which have the same directives on the partition."""

    types: list[str]
    partition: str | None
    plan: Plan

    @property
    def command(self) -> tuple[str, ...]:
        """The submit command without the script."""
        return self.plan.submit_command[:-1]

    @property
    def script(self) -> str:
        """The job script.

        Raises:
            TemplateError: the template is wrong, which is told elsewhere.
        """
        return job_script(self.plan, NO_TOKEN)


def sample_jobs(configuration: Configuration, folder: Path) -> Iterator[TrialJob]:
    """Made-up jobs of all types whose scheduler can be asked; jobs that are alike come once.

    A type that has no plan on a partition is left out there.
    """
    found: dict[str, TrialJob] = {}
    for name, kind in configuration.job_types.types.items():
        if not kind.matches_jobs:
            continue
        for partition in _partitions(name, configuration):
            with suppress(DispatchError):
                plan = sample_plan(name, _only_on(partition, name, configuration), folder)
                numbers = (plan.nproc, plan.nthread, plan.ngpu, plan.nodes)
                parameters = sorted(plan.job_parameters.items())
                alike = repr((plan.template, plan.submit_command, *numbers, parameters))
                found.setdefault(alike, TrialJob([], partition, plan)).types.append(name)
    yield from found.values()


def _partitions(name: str, configuration: Configuration) -> list[str | None]:
    """Where a type's jobs may go: without a partition of their own, to any that is described."""
    site, parameters = configuration.site, with_lineage(name, configuration).parameters
    with suppress(DispatchError):
        if chosen_scheduler(site, parameters).scheduler.trial_command:
            found = partition_names(parameters, None, site)
            return list(site.partitions) if found == [None] and site.partitions else found
    return []


def _only_on(partition: str | None, name: str, configuration: Configuration) -> Configuration:
    """The configuration with which a type's jobs go to that partition."""
    site, here = configuration.site, {"partition": partition, "partitions": None}
    parameters = {**site.job_parameters, name: {**site.job_parameters.get(name, {}), **here}}
    return configuration._replace(site=replace(site, job_parameters=parameters))


def small_job(job: TrialJob) -> TrialJob:
    """The job as one process with one core, and one GPU if it uses GPUs at all.

    It has the job's own time and memory: some schedulers take no job without.
    """
    return _as_one_process(job, cores=1, gpus=min(1, job.plan.ngpu), mem=None)


def whole_node(job: TrialJob, shape: Partition) -> TrialJob:
    """The job as one process that takes a whole node as site.json describes the node, but for GPUs
    that the partition does not give one job."""
    described = job.plan.site.partitions.get(job.partition or "", shape)
    memory = bytes_of(shape.memory, "partition")
    mem = shape.memory if isinstance(shape.memory, str) else memory and f"{memory >> 20}M"
    named = {key: value for key in _OF_A_KIND if (value := getattr(shape, key)) is not None}
    parameters = {**job.plan.job_parameters, **dict.fromkeys(_OF_A_KIND), **named}
    for key in ADDED:  # the job may have been planned for another kind
        of_a_kind = [text for kind in described.nodes for text in getattr(kind, key, [])]
        others = [each for each in parameters.get(key) or [] if each not in of_a_kind]
        parameters[key] = list(dict.fromkeys([*others, *getattr(shape, key, [])]))
    asked = job._replace(plan=job.plan._replace(job_parameters=parameters))
    most = [each for each in (shape.gpus or 0, shape.gpus_per_job) if each is not None]
    return _as_one_process(asked, cores=shape.cores or 1, gpus=min(most), mem=mem)


_OF_A_KIND = ("gpu_type", "constraint")


def _as_one_process(job: TrialJob, cores: int, gpus: int, mem: str | int | None) -> TrialJob:
    """`mem` of None is the job's own."""
    parameters: Mapping[str, Any] = {
        key: value
        for key, value in job.plan.job_parameters.items()
        if key not in ("nproc_slurm", "nthread_slurm")
    }
    plan = job.plan._replace(
        nproc=1,
        nthread=cores,
        ngpu=gpus,
        nodes=1,
        job_parameters={**parameters, "mem": mem} if mem else parameters,
    )
    return job._replace(plan=plan)


def watcher_of(job: TrialJob) -> tuple[list[str], str]:
    """The watcher's submit command, without what names the job, and its script; nothing if the
    scheduler has no watcher, or its command cannot be told without the job."""
    scheduler = job.plan.site.schedulers[job.plan.scheduler]
    if scheduler.watcher is None:
        return [], ""
    command = without_job(scheduler.watcher.submit_command)
    command += options_in(scheduler, job.command) if command else []
    return command, watcher_script(job.plan, scheduler, NO_TOKEN)
