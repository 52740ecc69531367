"""Where a job runs: on the first of its partitions that has room, with which ranks and image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..config.configuration import Configuration
from ..config.site import Site
from ..errors import DispatchError, DoesNotFit, ImageError
from ..reason import about
from .node_shape import NodeShape, node_shapes
from .placed_job import PassedOver, PlacedJob, placed_on
from .unplaced_job import UnplacedJob

__all__ = ["partition_names", "place"]


def place(job: UnplacedJob, configuration: Configuration) -> PlacedJob:
    """Place the job on the first of its partitions that has room and an image for the job.

    The site's order stands, but for one case: a partition on which GPUs that the job may have stay
    without a rank, a rank has a single thread, or a program of the user's own lacks the GPUs that
    it asks for, gives way to a later one without such a drawback, but never to one without GPUs.
    A job whose memory follows its resolution, and that fits nowhere at its full box, is placed for
    the resolution that the site expects, with a warning.

    Raises:
        DoesNotFit, ImageError: none of them does; the message says of each what is missing.
        ConfigError: fewer ranks are allowed than RELION needs.
    """
    try:
        found = _on_best(job, configuration)
    except DoesNotFit:
        coarser = _at_expected_resolution(job, configuration)
        if coarser is None:
            raise
        return coarser
    if not found.settled.ngpu:  # GPUs are worth more than the last of the resolution
        coarser = _at_expected_resolution(job, configuration)
        if coarser and coarser.settled.ngpu:
            return coarser
    return found


def _at_expected_resolution(job: UnplacedJob, configuration: Configuration) -> PlacedJob | None:
    """The job placed for the resolution that the site expects, with a warning; None if its memory
    does not follow the resolution, or does not fit even so."""
    part = configuration.site.expected_resolution
    refinement = job.refinement and job.refinement.at_resolution(part)
    if refinement is None:
        return None
    with suppress(DoesNotFit, ImageError):
        found = _on_best(job._replace(refinement=refinement), configuration)
        try:
            placed_on(found.node, job, configuration)
        except DoesNotFit as error:
            found = found._replace(warnings=(_expects(part, error), *found.warnings))
        return found
    return None


def _expects(part: float, error: DoesNotFit) -> str:
    return (
        f"The job fits up to {part:.0%} of Nyquist's frequency (expected_resolution). If the job "
        f"reaches a finer resolution, RELION may run out of memory. At the full resolution: {error}"
    )


def _on_best(job: UnplacedJob, configuration: Configuration) -> PlacedJob:
    """As :func:`place`, at the resolution of the job's refinement."""
    passed: dict[str, DispatchError] = {}
    over: list[PassedOver] = []
    second_best: list[PlacedJob] = []
    nodes = [*_nodes(job, configuration.site)]
    names = [node.partition or "" for node in nodes]
    for at, node in enumerate(nodes):
        try:
            found = placed_on(node, job, configuration)
        except (DoesNotFit, ImageError) as error:
            passed[node.title] = error
            over.append(PassedOver(node.partition, node.kind, str(error)))
            continue
        on_cpus = not found.settled.ngpu and any(each.settled.ngpu for each in second_best)
        if not found.settled.drawback and not on_cpus:
            later = tuple(filter(None, names[at + 1 :]))
            found = found._replace(passed_over=(*over, *map(_less_good, second_best)))
            return _explained(found._replace(not_tried=later), passed, second_best)
        second_best.append(found)
    if second_best:
        also = [_less_good(each) for each in second_best[1:]]
        found = second_best[0]._replace(passed_over=(*over, *also))
        return _explained(found, passed, [])
    if len(passed) == 1:
        raise next(iter(passed.values()))
    kind = DoesNotFit if any(isinstance(e, DoesNotFit) for e in passed.values()) else ImageError
    each = " ".join(f"{_capital(name)}: {error}" for name, error in passed.items())
    raise kind(f"None of the job's partitions can run the job. {each}")


def _nodes(job: UnplacedJob, site: Site) -> Iterator[NodeShape]:
    """The kinds of nodes to try, in order."""
    parameters, queue = job.job_type.parameters, job.request.submission.queue
    typed = "partition" in job.wishes.typed
    field = site.window.name("partition") if typed else ""
    chosen_by_site = not typed and partition_names(parameters, None, site) != [None]
    job_type = job.job_type.name if chosen_by_site else ""
    for name in partition_names(parameters, queue, site):
        yield from node_shapes(name, site, job.here, job.scheduler, job_type, field)


def _less_good(placed: PlacedJob) -> PassedOver:
    why = placed.settled.drawback or "it has no GPU for the job."
    return PassedOver(placed.node.partition, placed.node.kind, why)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _explained(
    chosen: PlacedJob, passed: Mapping[str, DispatchError], less_good: Sequence[PlacedJob]
) -> PlacedJob:
    """The job with what is said of the partitions before the chosen one, and of that one."""
    over = [f"Not on {name}: {error}" for name, error in passed.items()]
    over += [f"Not on {each.node.title}: {each.settled.drawback}" for each in less_good]
    name = _capital(chosen.node.title)
    if less_good:
        over.append(f"{name}: the first on which that is not so.")
    elif over:
        over.append(f"{name}: the first of the job's partitions that can run the job.")
    return chosen._replace(reasons=(*about("partition", over), *chosen.reasons))


def partition_names(
    parameters: Mapping[str, Any], queue: str | None, site: Site
) -> list[str | None]:
    """The partitions to try, in order: the job type's ``partition`` and ``partitions``, else the
    `queue` named in RELION's window if the site knows it, else the scheduler's own choice (None).
    """
    configured = [parameters.get("partition"), *(parameters.get("partitions") or [])]
    names = dict.fromkeys(str(name) for name in configured if name is not None)
    if not names and queue in site.partitions:
        return [queue]
    return list(names) or [None]
