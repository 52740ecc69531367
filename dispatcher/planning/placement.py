"""Where a job runs: on the first of its partitions that has room, with which ranks and image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from ..config.site import Partition, Site
from ..errors import DispatchError, DoesNotFit, ImageError
from ..images.choice import ChosenImage, Needs, choose
from ..memory.card import Card
from ..relion.command import Command, called_programs
from ..units import bytes_of
from . import left_free, resources
from .foreign_program import ForeignProgram, foreign_program
from .job_runner import as_it_says
from .memory_request import memory_request
from .node_shape import NodeShape, node_shape
from .resources import Resources
from .rewrite import as_single_process, with_resources
from .thread_options import not_counted
from .unplaced_job import UnplacedJob
from .wanted_ranks import through_mps, wanted_ranks

__all__ = ["PlacedJob", "partition_names", "place"]


class PlacedJob(NamedTuple):
    """Partition, resources, commands and image of a job; the image's file is not yet checked.

    Attributes:
        mem: the host memory that the scheduler is asked for, in the site's words.
        main: the one of `commands` that decided the job type.
    """

    partition: str | None
    settled: Resources
    mem: Any
    main: Command
    commands: tuple[Command, ...]
    image: ChosenImage | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


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
            _on(found.partition, job, configuration)
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
    passed: dict[str | None, DispatchError] = {}
    second_best: list[PlacedJob] = []
    for name in partition_names(
        job.job_type.parameters, job.request.submission.queue, configuration.site
    ):
        try:
            found = _on(name, job, configuration)
        except (DoesNotFit, ImageError) as error:
            passed[name] = error
            continue
        on_cpus = not found.settled.ngpu and any(each.settled.ngpu for each in second_best)
        if not found.settled.drawback and not on_cpus:
            return _explained(found, passed, second_best)
        second_best.append(found)
    if second_best:
        return _explained(second_best[0], passed, [])
    if len(passed) == 1:
        raise next(iter(passed.values()))
    kind = DoesNotFit if any(isinstance(e, DoesNotFit) for e in passed.values()) else ImageError
    each = " ".join(f"Partition {name}: {error}" for name, error in passed.items())
    raise kind(f"None of the job's partitions can run the job. {each}")


def _explained(
    chosen: PlacedJob, passed: Mapping[str | None, DispatchError], less_good: Sequence[PlacedJob]
) -> PlacedJob:
    """The job with what is said of the partitions before the chosen one, and of that one."""
    over = [f"Not on partition {name}: {error}" for name, error in passed.items()]
    over += [f"Not on partition {each.partition}: {each.settled.drawback}" for each in less_good]
    if less_good:
        over.append(f"Partition {chosen.partition}: the first on which that is not so.")
    elif over:
        over.append(
            f"Partition {chosen.partition}: the first of the job's partitions that can run the job."
        )
    return chosen._replace(reasons=(*over, *chosen.reasons))


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


def _on(name: str | None, job: UnplacedJob, configuration: Configuration) -> PlacedJob:
    """The job on the partition of that name (None: the scheduler's own choice)."""
    site = configuration.site
    chosen_by_site = partition_names(job.job_type.parameters, None, site) != [None]
    node = node_shape(name, site, job.here, job.job_type.name if chosen_by_site else "")
    partition = node.shape
    image_name = job.job_type.image
    card = _card(job, site, partition)
    wanted = wanted_ranks(job, site, partition)
    settled = (
        as_it_says(job, wanted, node)
        if job.starts_its_ranks
        else resources.decide(job.command, wanted, card, node, job.particles)
    )
    if job.is_foreign and wanted.ngpu and not settled.ngpu:
        settled = settled._replace(drawback="the job asks for GPUs, and the nodes there have none.")
    parameters, described = job.job_type.parameters, site.partitions.get(name or "", Partition())
    mem, asked = memory_request(
        parameters.get("mem"),
        settled.fit and settled.fit.host_memory,
        bytes_of(described.memory, "partition"),
        -(-settled.nproc // settled.nodes),
        wanted.mem_per_rank or 0,
    )
    submission = job.request.submission
    main, why, warnings = _main_command(job, node, settled)
    commands = tuple(
        main if each is submission.main else as_single_process(each) for each in submission.commands
    )
    image = None
    if image_name:
        needs = Needs(
            gpu=site.apptainer.gpu_kind if settled.ngpu else None,
            partition=name,
            programs=called_programs(commands),
            signed_by=tuple(site.apptainer.signed_by),
        )
        image = choose(
            configuration.catalogue, image_name, job.request.versions, needs, job.request.pin_file
        )
    uncounted = (
        left_free.not_counted(job.command, settled.fit.free_gpu_memory)
        if settled.fit and settled.ngpu
        else ()
    )
    chosen = (image.reason,) if image else ()
    uncounted += not_counted(job, settled.nthread)
    reasons = (*settled.reasons, *uncounted, *why, *asked, *chosen)
    return PlacedJob(
        name, settled, mem, main, commands, image, reasons, (*settled.warnings, *warnings)
    )


def _main_command(job: UnplacedJob, node: NodeShape, settled: Resources) -> ForeignProgram:
    """The main command with its ranks, threads and GPUs."""
    if settled.program_starts_ranks:
        return ForeignProgram(job.command)
    original, levels = job.request.submission.main, job.job_type.levels
    command = with_resources(job.command, original, levels, settled)
    return foreign_program(command, node, settled) if job.is_foreign else ForeignProgram(command)


def _card(job: UnplacedJob, site: Site, partition: Partition) -> Card:
    """The partition's GPU, else the one that the job type names, and what the job holds there."""
    adjust = job.job_type.nearest("adjust_GPU_nproc_to_mem")
    told = bytes_of(partition.gpu_memory, "partition")
    return Card(
        told or (adjust[1] if adjust else None),
        job.refinement,
        memory_model=job.job_type.nearest("gpu_memory_model") or "relion",
        free_gpu_memory=left_free.megabytes(job.command.value(left_free.OPTION)) or 0,
        relion_version=job.relion_version,
        mps=through_mps(job, site) is not None,
        one_pool=site.apptainer.gpu_vendor.one_pool,
        hardware=site.gpu_constants,
        of_the_job_type=not told,
    )
