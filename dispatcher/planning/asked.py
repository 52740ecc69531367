"""What is the scheduler asked for beside nodes, ranks, GPUs and memory, and who says so?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..config.accounts import filled_in
from ..config.partition import Scratch
from ..config.site import Site
from ..units import count, seconds_of
from .charged import OF_THE_TYPE, Named, charged, first_named
from .node_shape import NodeShape
from .unplaced_job import UnplacedJob

__all__ = ["Asked", "asked"]

_WORDS = {"begin": "at the beginning", "end": "at the end", "failure": "on failure"}


class Asked(NamedTuple):
    """The job_parameters that differ from the job type's, a sentence for each decision, and who
    names those that several may name."""

    parameters: Mapping[str, Any] = {}
    reasons: tuple[str, ...] = ()
    named_by: Mapping[str, str] = {}


def asked(
    job: UnplacedJob, node: NodeShape, site: Site, ngpu: int, scratch: Scratch | None
) -> Asked:
    """What the scheduler is asked for on these nodes; nothing if the job waits in no queue.

    `ngpu`: of each node; `scratch`: the site's, if the job uses it.
    """
    if job.scheduler.detached:
        return Asked()
    found = [*_found(job, node, site, ngpu, scratch)]
    return Asked(
        {each.key: each.value for each in found},
        tuple(each.why for each in found if each.why),
        {each.key: each.by for each in found if each.by},
    )


class _Found(NamedTuple):
    """A job parameter, its value, why ("" for no sentence), and who of several names it."""

    key: str
    value: Any
    why: str
    by: str = ""


def _found(
    job: UnplacedJob, node: NodeShape, site: Site, ngpu: int, scratch: Scratch | None
) -> Iterator[_Found]:
    paid = charged(job, node, site)
    for key, what, named in (
        ("account", "Account", paid.account),
        ("qos", "Quality of service", paid.qos),
    ):
        yield from _of_one(key, what, named)
        if named is None and key in job.job_type.parameters:
            yield _Found(key, None, "")  # a further directive names it
    features = first_named("constraint", job, node)
    yield from _of_one("constraint", "Nodes with the feature", features)
    if ngpu and job.scheduler.gpus_per == "core":
        each = f"The scheduler is asked for {count(ngpu, 'core')} with a GPU each"
        yield _Found("nproc_slurm", ngpu, f'{each}, as "gpus_per" of the scheduler says.')
        yield _Found("nthread_slurm", 1, "")
    if ngpu and job.scheduler.can_ask_for("gpu_type"):
        yield from _of_one("gpu_type", "GPUs of type", first_named("gpu_type", job, node))
    yield from _time(job, node)
    yield from _resources(job, node, scratch)
    yield from _options(job, paid.options, scratch)
    yield from _mail(job, site)


def _options(
    job: UnplacedJob,
    of_others: tuple[tuple[str, tuple[str, ...]], ...],
    scratch: Scratch | None,
) -> Iterator[_Found]:
    of_scratch = tuple(scratch.asked(scratch.option)) if scratch else ()
    every = (*of_others, *((("scratch", of_scratch),) if of_scratch else ()))
    options = [option for _, of in every for option in of]
    if options != (job.job_type.parameters.get("scheduler_options") or []):
        said = "; ".join(f"{' '.join(of)} ({by})" for by, of in every) or "none"
        yield _Found("scheduler_options", options, f"Further directives: {said}.")


def _of_one(key: str, what: str, named: Named | None) -> Iterator[_Found]:
    if named:
        reason = "" if named.by == OF_THE_TYPE else f"{what} {named.value}: {named.by}."
        yield _Found(key, named.value, reason, named.by)


def _time(job: UnplacedJob, node: NodeShape) -> Iterator[_Found]:
    """The job type's time, but no more than the partition gives; a time that only the scheduler can
    read stays."""
    wanted, most = job.job_type.parameters.get("time"), node.described.time
    if most is None:
        return
    if wanted is None:
        yield _Found("time", most, f"Time {most}: what {node.name} gives a job.")
        return
    asks, gives = seconds_of(str(wanted)), seconds_of(most)
    if asks is not None and gives is not None and asks > gives:
        reason = f"Time {most} instead of {wanted}: {node.name} gives a job no more."
        yield _Found("time", most, reason)


def _resources(job: UnplacedJob, node: NodeShape, scratch: Scratch | None) -> Iterator[_Found]:
    """The scheduler's resources by name, the site's scratch among them."""
    own = [str(each) for each in job.job_type.parameters.get("resources") or ()]
    of_nodes = [*node.described.resources, *(scratch.asked(scratch.resource) if scratch else [])]
    if of_nodes:
        reason = f"Resources {', '.join(of_nodes)}: {node.name}."
        yield _Found("resources", list(dict.fromkeys([*own, *of_nodes])), reason)


def _mail(job: UnplacedJob, site: Site) -> Iterator[_Found]:
    mail = site.mail
    if not mail.on:
        return
    when, to = " and ".join(_WORDS[each] for each in mail.on), mail.to
    why = "" if to else f"Mail {when}: the scheduler knows to whom."
    yield _Found("mail_on", list(mail.on), why)
    if to:
        to = filled_in(to, {"user": job.request.submitter.user}) if "{" in to else to
        yield _Found("mail_to", to, f"Mail to {to} {when}.")
