"""Would the scheduler take the site's jobs? Each kind of directives is tried on each partition.

Nothing is submitted. First come the partitions' names, then the shapes of their nodes, then what
the job types ask for: who corrects a name need not read what follows from it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..config.configuration import Configuration
from ..config.job_types import JobTypes
from ..config.json_files import nearest
from ..config.places import site_folder
from ..config.site import Partition, Site
from ..config.where import Where
from .job_type_check import named
from .parameter_places import place_to_change
from .sample_jobs import sample_catalogue
from .trial import NoAnswerError, Objection, Trials
from .trial_jobs import TrialJob, sample_jobs, watcher_of, whole_node

__all__ = ["trial_problems"]


def trial_problems(site: Site, types: JobTypes) -> Iterator[str]:
    """A sentence for each partition and each kind of job that a scheduler would not take."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configuration = Configuration(site, types, sample_catalogue(folder, types, site))
        jobs: dict[str, list[TrialJob]] = {}
        for job in sample_jobs(configuration, folder):
            jobs.setdefault(job.plan.scheduler, []).append(job)
        for scheduler, of_scheduler in jobs.items():
            look = _Look(site, types, scheduler, Trials(site.schedulers[scheduler], folder))
            yield from look.problems(of_scheduler)


class _Look:
    """The questions to one scheduler, and the sentences on its answers."""

    def __init__(self, site: Site, types: JobTypes, name: str, trials: Trials) -> None:
        self.site, self.types, self.name, self.trials = site, types, name, trials

    def problems(self, jobs: Sequence[TrialJob]) -> Iterator[str]:
        """A sentence for each partition, and for each kind of job, that it would not take."""
        jobs = [job for job in jobs if self.trials.can_try(job.command)]
        try:
            known = self.trials.partitions() if jobs else {}
            wrong = dict(self._wrong_names(jobs, list(known))) if known else {}
            yield from wrong.values()
            partitions = dict.fromkeys(job.partition for job in jobs if job.partition not in wrong)
            for partition in partitions:
                here = [job for job in jobs if job.partition == partition]
                nodes = known.get(partition or "", [])
                told = set[str]()  # what the scheduler says of the shape needs not be told again
                job = next((job for job in here if job.plan.uses_gpu), here[0])
                small = self._objections(whole_node(job, Partition(cores=1)), told)
                if closed := [each for each in small if _is_closed(each, partition)]:
                    yield self._of_closed(partition, closed[0], nodes)
                    continue
                yield from self._of_shape(job, small, nodes, told)
                yield from self._of_jobs(here, told)
                if self._watcher_partition not in wrong:
                    yield from self._of_watcher(here, told)
        except NoAnswerError as error:
            yield (
                f'The scheduler "{self.name}" could not be asked whether it takes the jobs '
                f'("{error}"): run `relion-dispatch check` on a machine that submits jobs, once '
                "the scheduler answers."
            )

    @property
    def _watcher_partition(self) -> str | None:
        watcher = self.site.schedulers[self.name].watcher
        return watcher.partition if watcher else None

    def _wrong_names(self, jobs: Sequence[TrialJob], known: list[str]) -> Iterator[tuple[str, str]]:
        """Each partition that the scheduler does not know, and a sentence on it."""
        places: dict[str, str] = {}
        for job in jobs:
            if job.partition is not None:
                by_type = place_to_change(job.types[0], "partition", self.site, self.types)
                described = self._at("partitions", job.partition)
                own = job.partition in self.site.partitions
                places.setdefault(job.partition, described if own else by_type)
        if name := self._watcher_partition:
            places[name] = self._at("schedulers", self.name, "watcher", "partition")
        for name, place in places.items():
            if name not in known:
                yield (
                    name,
                    (
                        f'{place}: the scheduler "{self.name}" has no partition "{name}"'
                        f"{nearest(name, known) or '.'} Its partitions are {', '.join(known)}."
                    ),
                )

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
        shape = self.site.partitions.get(name or "")
        if shape is None:
            return
        for objection in self._objections(whole_node(job, shape), {each.says for each in small}):
            told.add(objection.says)
            yield (
                f'{self._at("partitions", str(name))}: the scheduler "{self.name}" gives no job a '
                f"whole node of this shape: {_in_words(objection)}.{_described(nodes)} Correct the "
                "numbers of the partition."
            )

    def _of_jobs(self, jobs: Sequence[TrialJob], told: set[str]) -> Iterator[str]:
        """Whether the scheduler takes the jobs of each type."""
        shared: dict[tuple[str, str], list[str]] = {}
        for job in jobs:
            for each in self._objections(job, told):
                shared.setdefault((_in_words(each), self._advice(job, each)), []).extend(job.types)
        for (why, advice), names in shared.items():
            where = f" on partition {jobs[0].partition}" if jobs[0].partition else ""
            yield (
                f'{named(names)}{where}: the scheduler "{self.name}" does not take such a job: '
                f"{why}. {advice}"
            )

    def _of_watcher(self, jobs: Sequence[TrialJob], told: set[str]) -> Iterator[str]:
        """Whether it takes the job after the job."""
        for job in jobs:
            command, script = watcher_of(job)
            if not self.trials.can_try(command):
                return
            for each in self.trials.objections(command, script):
                if each.says not in told:
                    told.add(each.says)
                    yield (
                        f"{self._at('schedulers', self.name, 'watcher')}: the scheduler does not "
                        f"take the job after a job of {named(job.types)}: {_in_words(each)}. "
                        'Correct "partition" or "scheduler_options" of the watcher.'
                    )

    def _objections(self, job: TrialJob, told: set[str]) -> list[Objection]:
        found = self.trials.objections(job.command, job.script)
        return [each for each in found if each.says not in told]

    def _advice(self, job: TrialJob, objection: Objection) -> str:
        """What to change: the key whose value stands in a directive that is to blame."""
        directives = [each.replace('"', "") for each in objection.directives]
        for key in ("scheduler_options", "time", "partition", "mem"):
            value = job.plan.job_parameters.get(key)
            for text in map(str, value if isinstance(value, list) else [value]):
                if value and any(each.endswith(text) for each in directives):
                    place = place_to_change(job.types[0], key, self.site, self.types)
                    return f"Correct {place}."
        return "Correct what such directives are made from: the template, or the job_parameters."

    def _at(self, *keys: str) -> str:
        return str(Where(site_folder() / "site.json", ".".join(keys)))


def _is_closed(objection: Objection, partition: str | None) -> bool:
    """Whether nothing but the partition is to blame."""
    return all(partition and partition in each for each in objection.directives)


def _described(nodes: Sequence[str]) -> str:
    return f" The nodes there: {'; '.join(nodes)}." if nodes else ""


def _in_words(objection: Objection) -> str:
    blamed = " or ".join(f"`{each}`" for each in objection.directives)
    return f'it says "{objection.says}"' + (f", because of {blamed}" if blamed else "")
