"""Who says what a job asks for: RELION's window, the site, a job type, the user's environment?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from .node_shape import NodeShape
from .thread_options import given_threads
from .unplaced_job import UnplacedJob

__all__ = ["Source", "sources"]

# In the order in which people ask; and what of RELION's window each can come from.
_KEYS = ("partition", "nproc", "nthread", "ngpu", "mem", "time", "account", "qos")
_ALSO = {"partition": ("partitions",)}


class Source(NamedTuple):
    """Where a value comes from.

    Attributes:
        key: the job parameter.
        by: "window", "site" (site.json), "type" (dispatch_config.json), "fit" (as many as fit),
            "user" (whoever submits) or "scheduler" (its own choice).
        where: the same in words, to be read after "from" or "by".
    """

    key: str
    by: str
    where: str


def sources(
    job: UnplacedJob, node: NodeShape, parameters: Mapping[str, Any], configuration: Configuration
) -> tuple[Source, ...]:
    """A source for each value that the job has; `parameters` are the settled ones."""
    found = []
    for key in _KEYS:
        source = _source(key, job, node, parameters, configuration)
        if source:
            found.append(source)
    return tuple(found)


def _source(
    key: str,
    job: UnplacedJob,
    node: NodeShape,
    parameters: Mapping[str, Any],
    configuration: Configuration,
) -> Source | None:
    of_numbers = key in ("nproc", "nthread", "ngpu")
    if not of_numbers and parameters.get(key) is None:
        return (
            Source(key, "scheduler", "the scheduler's own choice") if key == "partition" else None
        )
    if of_numbers and job.starts_its_ranks:
        return _window(key)
    level = next(_levels(key, job, configuration), None)
    if level and (not of_numbers or job.job_type.parameters.get(key) is not None):
        return level
    if level and not job.is_foreign:
        return Source(key, "fit", f"as many as fit ({level.where})")
    if key == "partition" or (key == "nproc" and _windows_ranks(job)):
        return _window(key)
    if key == "nthread":
        given = given_threads(job)
        if given is not None:
            return Source(key, "window", "the command that RELION wrote")
        return _window(key) if job.request.submission.threads is not None else None
    if key in ("time", "account", "qos"):
        return _of_nodes(key, node, parameters)
    return None


def _windows_ranks(job: UnplacedJob) -> bool:
    return job.request.submission.ranks is not None or "nr_mpi" in job.request.options


def _window(key: str) -> Source:
    names = {
        "partition": "Queue name",
        "nproc": "Number of MPI procs",
        "nthread": "Number of threads",
    }
    field = f', field "{names[key]}"' if key in names else ""
    return Source(key, "window", f"RELION's window{field}")


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


def _of_nodes(key: str, node: NodeShape, parameters: Mapping[str, Any]) -> Source:
    if str(getattr(node.described, key)) == str(parameters[key]):
        return Source(key, "site", f"{node.name} in site.json")
    return Source(key, "user", "the site's rules, or the environment of whoever submits")
