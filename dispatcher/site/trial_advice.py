"""What does an admin change if a scheduler takes no job with a directive?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..config.job_types import ADDED, JobTypes
from ..config.places import site_folder
from ..config.scheduler import Scheduler
from ..config.site import Site
from ..config.where import Where
from .parameter_places import deciding_level, place_to_change
from .trial_jobs import TrialJob

__all__ = ["advice", "advice_on_watcher", "at", "names_partition"]

_KEYS = (*ADDED, "time", "partition", "mem", "account", "qos", "constraint", "gpu_type")


def advice(job: TrialJob, directives: Iterable[str], site: Site, types: JobTypes) -> str:
    """What to change in a job: the key whose value stands in a directive that is to blame."""
    for key, text in _values_in(directives, job.plan.job_parameters):
        return f"Correct {_place(job, key, text, site, types)}."
    if job.partition is not None and job.partition not in site.partitions:
        return (
            f'Describe the partition "{job.partition}" under {at("partitions")}: then jobs are as '
            "large as its nodes allow."
        )
    return "Correct what such directives are made from: the template, or the job_parameters."


def _place(job: TrialJob, key: str, text: str, site: Site, types: JobTypes) -> str:
    """Where the value stands: in a rule on who pays, at the job type, or at the partition."""
    for number, rule in enumerate(site.accounts):
        if _is_said(rule, key, text):
            return at("accounts", str(number), key)
    level = deciding_level(job.types[0], key, site, types, text)
    if level is None and (partition := site.partitions.get(job.partition or "")):
        place = ("partitions", str(job.partition))
        kinds = [((*place, "nodes", str(at)), kind) for at, kind in enumerate(partition.nodes)]
        for steps, kind in (*kinds, (place, partition)):
            if _is_said(kind, key, text):
                return at(*steps, key)
    return place_to_change(job.types[0], key, site, types, text)


def _is_said(by: object, key: str, text: str) -> bool:
    value = getattr(by, key, None)
    return text in value if isinstance(value, list) else bool(value) and value == text


def advice_on_watcher(job: TrialJob, directives: Sequence[str], site: Site, types: JobTypes) -> str:
    """The same for the job after the job, which has some of the job's directives."""
    watcher = site.schedulers[job.plan.scheduler].watcher
    own = {
        "scheduler_options": watcher and watcher.scheduler_options,
        "partition": watcher and watcher.partition,
    }
    place = ("schedulers", job.plan.scheduler, "watcher")
    for key, _ in _values_in(directives, own):
        return f"Correct {at(*place, key)}."
    if any(_values_in(directives, job.plan.job_parameters)):
        return advice(job, directives, site, types)
    return f'Correct "partition" or "scheduler_options" of {at(*place)}.'


def at(*keys: str) -> str:
    """The place of a key of site.json."""
    return str(Where(site_folder() / "site.json", ".".join(keys)))


def names_partition(directive: str, partition: str | None, scheduler: Scheduler) -> bool:
    """Whether it is the directive by which a job goes to that partition."""
    plain = _without_quotes(directive)
    values = (
        plain.removeprefix(option).lstrip("= ")
        for option in scheduler.partition_options
        if plain.startswith(option)
    )
    return any(value == partition for value in values)


def _values_in(directives: Iterable[str], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys whose value, or one of its members, stands in one of the directives, and that."""
    plain = [_without_quotes(each) for each in directives]
    for key in _KEYS:
        value = values.get(key)
        for text in map(str, value if isinstance(value, list) else [value] if value else []):
            if any(each.endswith(text) or text in re.split("[=:,]", each) for each in plain):
                yield key, text


def _without_quotes(text: str) -> str:
    return text.replace('"', "")
