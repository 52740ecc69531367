"""What becomes of a job on one kind of nodes: ranks, commands, image, and what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from ..config.site import Partition, Site
from ..images.choice import ChosenImage, Needs, choose
from ..memory.card import Card
from ..ranks import left_free
from ..reason import about
from ..relion.command import Command, called_programs
from ..units import bytes_of, count
from . import resources
from .asked import asked
from .foreign_program import ForeignProgram, foreign_program
from .job_runner import as_it_says
from .memory_request import memory_asked, memory_request
from .node_shape import NodeShape
from .partition_rules import see_that_it_may_run
from .resources import Resources
from .rewrite import as_single_process, with_resources
from .scratch import with_site_scratch
from .thread_options import not_counted
from .unplaced_job import UnplacedJob
from .wanted_ranks import through_mps, wanted_ranks

__all__ = ["PassedOver", "PlacedJob", "placed_on"]


class PassedOver(NamedTuple):
    """A partition that was tried before the chosen one, its kind of nodes, and why not there."""

    partition: str | None
    kind: str
    why: str


class PlacedJob(NamedTuple):
    """Partition, resources, commands and image of a job; the image's file is not yet checked.

    Attributes:
        site: as it is on these nodes.
        parameters: the job_parameters, with what was settled for these nodes.
        main: the one of `commands` that decided the job type.
        passed_over: what was tried before these nodes.
        not_tried: the job's partitions that come after this one.
        named_by: who names the account and the like.
        most_memory: bytes of each node that the job can ask for: what a node has, or what was typed
            into RELION's window; None if nobody says.
    """

    node: NodeShape
    site: Site
    settled: Resources
    parameters: Mapping[str, Any]
    main: Command
    commands: tuple[Command, ...]
    image: ChosenImage | None
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    not_tried: tuple[str, ...] = ()
    named_by: Mapping[str, str] = {}
    most_memory: int | None = None


def placed_on(node: NodeShape, job: UnplacedJob, configuration: Configuration) -> PlacedJob:
    """The job on these nodes.

    Raises:
        DoesNotFit, ImageError: the job does not fit there, may not run there, or has no image.
    """
    site, partition = configuration.site.on(node.shape), node.shape
    card = _card(job, site, partition)
    asked_for = wanted_ranks(job, site, partition)
    wanted = job.request.learned.kept_by(asked_for)
    settled = (
        as_it_says(job, wanted, node)
        if job.starts_its_ranks
        else resources.decide(job.command, wanted, card, node, job.particles)
    )
    see_that_it_may_run(job, node, settled)
    if job.is_foreign and wanted.ngpu and not settled.ngpu:
        settled = settled._replace(drawback="the job asks for GPUs, and the nodes there have none.")
    most_memory = bytes_of(job.wishes.parameters.get("mem") or node.described.memory, "partition")
    mem, of_memory = _memory(job, settled, wanted.mem_per_rank or 0, most_memory)
    submission = job.request.submission
    main, why, warnings = _main_command(job, node, settled)
    scratch = with_site_scratch(main, site.scratch)
    main = scratch.command
    commands = tuple(
        main if each is submission.main else as_single_process(each) for each in submission.commands
    )
    image = _image(job, node, settled, commands, configuration._replace(site=site))
    uncounted = (
        left_free.not_counted(job.command, settled.fit.free_gpu_memory)
        if settled.fit and settled.ngpu
        else ()
    )
    of_queue = asked(job, node, site, settled.ngpu, scratch.used)
    reasons = (
        *about("ranks", job.request.learned.reasons(asked_for)),
        *about("ranks", (*_of_limited_gpus(node, settled), *settled.reasons)),
        *about("gpu_memory", uncounted),
        *about("ranks", (*not_counted(job, settled.nthread), *why)),
        *about("host_memory", of_memory),
        *about("queue", (scratch.reason, *of_queue.reasons)),
        *about("image", [image.reason] if image else ()),
    )
    decided = {"mem": mem, "partition": node.partition}
    parameters = {**job.job_type.parameters, **decided, **of_queue.parameters}
    if not job.scheduler.detached:
        per = job.scheduler.memory_per if job.scheduler.can_ask_for("memory") else "none"
        size = (settled.nproc, settled.nthread, settled.nodes)
        of_asked = memory_asked(parameters, per, *size).reason
        reasons = (*reasons, *about("host_memory", [of_asked]))
    warnings = (*settled.warnings, *_unlike_typed(job, settled), *warnings)
    placed = PlacedJob(node, site, settled, parameters, main, commands, image, reasons, warnings)
    return placed._replace(named_by=of_queue.named_by, most_memory=most_memory)


def _of_limited_gpus(node: NodeShape, settled: Resources) -> Iterator[str]:
    has, most = node.shape.gpus, node.shape.gpus_per_job
    if has is not None and most is not None and settled.ngpu == most < has:
        yield f"{count(most, 'GPU')} of {has}: {node.name} gives one job no more (gpus_per_job)."


def _unlike_typed(job: UnplacedJob, settled: Resources) -> Iterator[str]:
    """That RELION's rules or the memory leave less than what was typed, or ask for more."""
    typed, fit = job.wishes.parameters, settled.fit
    gpus, ranks = typed.get("ngpu"), typed.get("ranks_per_gpu")
    if gpus and settled.ngpu < gpus:
        yield (
            f"The job gets {count(settled.ngpu, 'GPU') if settled.ngpu else 'no GPU'}, and not the "
            f"{gpus} that RELION's window asks for: the reasons in JOB/dispatch.json say why."
        )
    if ranks and fit and fit.ranks_per_gpu > ranks:
        yield (
            f"{count(fit.ranks_per_gpu, 'rank')} share a GPU, and not {ranks} as RELION's window "
            "says, because RELION needs as many."
        )


def _memory(
    job: UnplacedJob, settled: Resources, mem_per_rank: int, most: int | None
) -> tuple[Any, list[str]]:
    """The host memory that the scheduler is asked for, in the site's words, and why."""
    return memory_request(
        job.job_type.parameters.get("mem"),
        settled.fit and settled.fit.host_memory,
        most,
        -(-settled.nproc // settled.nodes),
        mem_per_rank,
        (job.request.learned.memory_mib or 0) << 20,
    )


def _image(
    job: UnplacedJob,
    node: NodeShape,
    settled: Resources,
    commands: Sequence[Command],
    configuration: Configuration,
) -> ChosenImage | None:
    """The image for the commands on these nodes; None for the host.

    Raises:
        ImageError: the catalogue has none.
    """
    apptainer, name = configuration.site.apptainer, job.job_type.image
    if not name:
        return None
    needs = Needs(
        gpu=apptainer.gpu_kind if settled.ngpu else None,
        partition=node.partition,
        programs=called_programs(commands),
        signed_by=tuple(apptainer.signed_by),
    )
    request = job.request
    return choose(
        configuration.catalogue,
        name,
        request.versions,
        needs,
        None if name in request.of_this_job else request.pin_file,
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
