"""Would the scheduler take the site's jobs? Each kind of directives is tried on each partition.

Nothing is submitted. First come the partitions' names, then the shapes of their nodes, then what
the job types ask for: who corrects a name need not read what follows from it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from ..config.configuration import Configuration
from ..config.job_types import JobTypes
from ..config.json_files import nearest
from ..config.partition import Partition, kinds
from ..config.site import Site
from ..errors import TemplateError
from ..images.awaited import awaited_images
from ..scheduler.no_way import NoWayError
from .job_type_check import named
from .parameter_places import place_to_change
from .through_check import common_folder
from .trial import NoAnswerError, Objection, Trials
from .trial_advice import advice, advice_on_watcher, at, names_partition
from .trial_jobs import TrialJob, sample_jobs, small_job, watcher_of, whole_node

__all__ = ["trial_problems"]


def trial_problems(site: Site, types: JobTypes) -> Iterator[str]:
    """A sentence for each partition and each kind of job that a scheduler would not take."""
    with tempfile.TemporaryDirectory() as sample:
        folder = Path(sample)
        configuration = Configuration(site, types, awaited_images(folder, types, site))
        jobs: dict[str, list[TrialJob]] = {}
        for job in sample_jobs(configuration, folder):
            jobs.setdefault(job.plan.scheduler, []).append(job)
        for name, of_scheduler in jobs.items():
            scheduler = site.schedulers[name]
            with ExitStack() as stack:
                try:
                    scripts = stack.enter_context(common_folder(scheduler))
                except (NoWayError, subprocess.TimeoutExpired):
                    continue  # through_check tells it
                trials = Trials(scheduler, scripts)
                yield from _SchedulerCheck(site, types, name, trials).problems(of_scheduler)


class _Refused:
    """What is refused for one reason: jobs of which types, and on which partitions."""

    def __init__(self) -> None:
        self.types: dict[str, None] = {}
        self.partitions: dict[str, None] = {}

    def add(self, job: TrialJob) -> None:
        self.types.update(dict.fromkeys(job.types))
        if job.partition:
            self.partitions[job.partition] = None

    def __str__(self) -> str:
        what = named(list(self.types))
        if not self.partitions:
            return what
        plural = "s" if len(self.partitions) > 1 else ""
        return f"{what} on partition{plural} {', '.join(self.partitions)}"


class _SchedulerCheck:
    """The questions to one scheduler, and the sentences on its answers."""

    def __init__(self, site: Site, types: JobTypes, name: str, trials: Trials) -> None:
        self.site, self.types, self.name, self.trials = site, types, name, trials
        self.scheduler = site.schedulers[name]
        # By what the scheduler says, and what to change: partitions have the same mistakes.
        self.jobs = defaultdict[tuple[str, str], _Refused](_Refused)
        self.watchers = defaultdict[tuple[str, str], _Refused](_Refused)

    def problems(self, jobs: Sequence[TrialJob]) -> Iterator[str]:
        """A sentence for each partition, and for each mistake of jobs, that it would not take."""
        jobs = [job for job in jobs if self.trials.can_try(job.command)]
        try:
            known = self.trials.partitions() if jobs else {}
            wrong = dict(self._wrong_names(jobs, list(known))) if known else {}
            yield from wrong.values()
            partitions = dict.fromkeys(job.partition for job in jobs if job.partition not in wrong)
            for partition in partitions:
                here = [job for job in jobs if job.partition == partition]
                nodes = [each for name in _names(partition) for each in known.get(name, [])]
                yield from self._of_partition(here, nodes, self._watcher_partition not in wrong)
        except NoAnswerError as error:
            yield (
                f'The scheduler "{self.name}" could not be asked whether it takes the jobs '
                f'("{error}"): run `relion-dispatch check` on a machine that submits jobs, once '
                "the scheduler answers."
            )
        yield from self._of_mistakes()

    @property
    def _watcher_partition(self) -> str | None:
        return self.scheduler.watcher.partition if self.scheduler.watcher else None

    def _wrong_names(self, jobs: Sequence[TrialJob], known: list[str]) -> Iterator[tuple[str, str]]:
        """Each value that names a partition which the scheduler does not know, and a sentence."""
        places: dict[str, str] = {}
        for job in jobs:
            if job.partition is not None:
                by_type = place_to_change(job.types[0], "partition", self.site, self.types)
                described = at("partitions", job.partition)
                own = job.partition in self.site.partitions
                places.setdefault(job.partition, described if own else by_type)
        if name := self._watcher_partition:
            places[name] = at("schedulers", self.name, "watcher", "partition")
        for value, place in places.items():
            if unknown := [name for name in _names(value) if name not in known]:
                yield (
                    value,
                    (
                        f'{place}: the scheduler "{self.name}" has no partition "{unknown[0]}"'
                        f"{nearest(unknown[0], known) or '.'} Its partitions are "
                        f"{', '.join(known)}."
                    ),
                )

    def _of_partition(
        self, jobs: Sequence[TrialJob], nodes: Sequence[str], with_watcher: bool
    ) -> Iterator[str]:
        """The sentences on one partition; what is told of jobs and watchers is kept for later."""
        job = next((job for job in jobs if job.plan.uses_gpu), jobs[0])
        small = self._objections(small_job(job))
        if (closed := [each for each in small if self._is_closed(each, job)]) and not any(
            self._takes(each) for each in jobs
        ):
            yield self._of_closed(job.partition, closed[0], nodes)
            return
        told = set[str]()  # what the scheduler says of the shape needs not be told again
        yield from self._of_shape(job, small, nodes, told)
        for job in jobs:
            for each in self._objections(job, told):
                todo = advice(job, each.directives, self.site, self.types)
                self.jobs[_in_words(each), todo].add(job)
            if with_watcher:
                for each in self._objections_to_watcher(job, told):
                    todo = advice_on_watcher(job, each.directives, self.site, self.types)
                    self.watchers[_in_words(each), todo].add(job)

    def _of_closed(self, name: str | None, objection: Objection, nodes: Sequence[str]) -> str:
        where = f"on partition {name}" if name else "without a partition"
        return (
            f'The scheduler "{self.name}" takes no job {where} now, however small: it says '
            f'"{objection.says}".{_described(nodes)} If its nodes are down, run `relion-dispatch '
            "check` again later. If you may not use it, run `relion-dispatch check` as a user who "
            "may."
        )

    def _of_shape(
        self, job: TrialJob, small: Sequence[Objection], nodes: Sequence[str], told: set[str]
    ) -> Iterator[str]:
        """Whether a node of the partition is at least as large as site.json says.

        What stands against a `small` job of the same type is not for the shape.
        """
        name = job.partition
        described = self.site.partitions.get(name or "")
        if described is None:
            return
        for number, shape in enumerate(self._kinds(described)):
            steps = ("partitions", str(name), *(["nodes", str(number)] if described.nodes else []))
            asked = whole_node(job, shape)
            for objection in self._objections(asked, {each.says for each in small}):
                told.add(objection.says)
                yield (
                    f'{at(*steps)}: the scheduler "{self.name}" gives no job a whole node of this '
                    f"shape: {_in_words(objection)}.{_described(nodes)} Correct the numbers of the "
                    "partition."
                )

    def _kinds(self, described: Partition) -> list[Partition]:
        return kinds(described, types_are_asked_for=self.scheduler.can_ask_for("gpu_type"))

    def _of_mistakes(self) -> Iterator[str]:
        """The sentences on jobs, and on watchers that have other mistakes than jobs."""
        for (why, todo), refused in self.jobs.items():
            yield (
                f'{refused}: the scheduler "{self.name}" does not take such a job: {why}. {todo}'
            )
        for (why, todo), refused in self.watchers.items():
            if (why, todo) not in self.jobs:
                yield (
                    f'The scheduler "{self.name}" does not take the job after a job of {refused}: '
                    f"{why}. {todo}"
                )

    def _is_closed(self, objection: Objection, job: TrialJob) -> bool:
        """Whether nothing but the partition is to blame."""
        return all(
            names_partition(each, job.partition, self.scheduler) for each in objection.directives
        )

    def _takes(self, job: TrialJob) -> bool:
        with suppress(TemplateError):
            return self.trials.would_take(job.command, job.script)
        return False

    def _objections(self, job: TrialJob, told: Container[str] = ()) -> list[Objection]:
        with suppress(TemplateError):  # that is told elsewhere, if real jobs have it as well
            found = self.trials.objections(job.command, job.script)
            return [each for each in found if each.says not in told]
        return []

    def _objections_to_watcher(self, job: TrialJob, told: Container[str]) -> list[Objection]:
        with suppress(TemplateError):
            command, script = watcher_of(job)
            found = self.trials.objections(command, script) if self.trials.can_try(command) else []
            return [each for each in found if each.says not in told]
        return []


def _names(partition: str | None) -> list[str]:
    """A job may be given to whichever of several partitions is free: names with commas between."""
    return [name.strip() for name in (partition or "").split(",") if name.strip()]


def _described(nodes: Sequence[str]) -> str:
    return f" The nodes there: {'; '.join(nodes)}." if nodes else ""


def _in_words(objection: Objection) -> str:
    blamed = " or ".join(f"`{each}`" for each in objection.directives)
    return f'it says "{objection.says}"' + (f", because of {blamed}" if blamed else "")
