"""Who says what a job asks for: RELION's window, the site, a job type, the user's environment?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..config.configuration import Configuration
from .charged import OF_THE_TYPE
from .placed_job import PlacedJob
from .thread_options import given_threads
from .unplaced_job import UnplacedJob
from .window_wishes import BY_THE_WINDOW

__all__ = ["Source", "sources"]

_NUMBERS = ("nproc", "nthread", "ngpu")
_NAMED = ("gpu_type", "constraint", "account", "qos")  # by the first of several who may
_KEYS = ("partition", *_NUMBERS, "ranks_per_gpu", "mem", "time", *_NAMED)
_ALSO = {"partition": ("partitions",)}
# The fields of RELION's window: its own, and those of the site that have other names than the
# job parameters.
_RELIONS = {
    "partition": "Queue name",
    "nproc": "Number of MPI procs",
    "nthread": "Number of threads",
}
_FIELDS = {"ngpu": "gpus", "gpu_type": "gpus", "mem": "memory"}


class Source(NamedTuple):
    """Where a value comes from.

    Attributes:
        key: the job parameter.
        by: "window", "site" (site.json), "type" (dispatch_config.json), "fit" (the planner, as
            many as fit), "user" (whoever submits) or "scheduler" (its own choice).
        where: the same in words, such as ``job type "gpu" in site.json``.
    """

    key: str
    by: str
    where: str


def sources(
    job: UnplacedJob, placed: PlacedJob, configuration: Configuration
) -> tuple[Source, ...]:
    """A source for each value that the job has."""
    found = (_source(key, job, placed, configuration) for key in _KEYS)
    return tuple(filter(None, found))


def _source(
    key: str, job: UnplacedJob, placed: PlacedJob, configuration: Configuration
) -> Source | None:
    if job.wishes.parameters.get(key) is not None:
        return _typed(key, configuration)
    level = next(_levels(key, job, configuration), None)
    if key in _NUMBERS:
        return _of_number(key, job, level)
    if key == "ranks_per_gpu":
        by_nodes = placed.node.described.ranks_per_gpu and placed.settled.ngpu
        return _of_nodes(key, placed) if by_nodes else level if placed.settled.ngpu else None
    if key in _NAMED:
        return _named(key, placed.named_by.get(key, ""), level, placed, configuration)
    return _of_asked(key, job, placed, level)


def _of_number(key: str, job: UnplacedJob, level: Source | None) -> Source | None:
    """Of ranks, threads and GPUs."""
    submission = job.request.submission
    if job.starts_its_ranks:
        return _window(key)
    if level and job.job_type.parameters.get(key) is not None:
        return level
    if level and not job.is_foreign:
        return Source(key, "fit", f"as many as fit ({level.where})")
    if key == "nproc" and (submission.ranks is not None or "nr_mpi" in job.request.options):
        return _window(key)
    if key == "nthread" and given_threads(job) is not None:
        return Source(key, "window", "the command that RELION wrote")
    return _window(key) if key == "nthread" and submission.threads is not None else None


def _named(
    key: str, by: str, level: Source | None, placed: PlacedJob, configuration: Configuration
) -> Source | None:
    """Of what the first says who may: a rule, the job type, the nodes, the environment."""
    if by == OF_THE_TYPE:
        return level
    if by == BY_THE_WINDOW:
        return _typed(key, configuration)
    if by == placed.node.name:
        return _of_nodes(key, placed)
    if by.startswith("rule "):
        return Source(key, "site", f"{by} in site.json")
    return Source(key, "user", by) if by else None


def _of_asked(key: str, job: UnplacedJob, placed: PlacedJob, level: Source | None) -> Source | None:
    """Of the partition, the memory and the time."""
    value, of_type = placed.parameters.get(key), job.job_type.parameters.get(key)
    if key == "partition":
        if value is None:
            here = "this machine, where the job runs"
            where = here if job.scheduler.detached else "the scheduler's own choice"
            return Source(key, "scheduler", where)
        return level or _window(key)
    if value is None:
        return None
    if value == of_type:
        return level
    if key == "time":
        return _of_nodes(key, placed)
    by_type = f", instead of {of_type} ({level.where})" if level else ""
    return Source(key, "fit", f"what the job needs and a node has{by_type}")


def _window(key: str) -> Source:
    field = f', field "{_RELIONS[key]}"' if key in _RELIONS else ""
    return Source(key, "window", f"RELION's window{field}")


def _typed(key: str, configuration: Configuration) -> Source:
    """The site's own field of the window."""
    label = configuration.site.window.label(_FIELDS.get(key, key)).rstrip(": ")
    return Source(key, "window", f'RELION\'s window, field "{label}"')


def _of_nodes(key: str, placed: PlacedJob) -> Source:
    return Source(key, "site", f"{placed.node.name} in site.json")


def _levels(key: str, job: UnplacedJob, configuration: Configuration) -> Iterator[Source]:
    """The levels of the job type's lineage that say something of `key`; the first holds."""
    keys = (key, *_ALSO.get(key, ()))
    matched = job.job_type
    for name, level in zip(reversed(matched.lineage), reversed(matched.levels), strict=True):
        of_site = configuration.site.job_parameters.get(name, {})
        if any(each in of_site for each in keys):
            yield Source(key, "site", f'job type "{name}" in site.json')
        if any(each in level.job_parameters for each in keys):
            yield Source(key, "type", f'job type "{name}" in dispatch_config.json')
