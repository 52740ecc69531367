"""Where a job runs: the first of its partitions that holds it, with which ranks, in which image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from ..config.job_types import JobType
from ..config.site import Partition, Site
from ..errors import DispatchError, DoesNotFit, ImageError
from ..images.choice import ChosenImage, Needs, choose, version_of
from ..memory.host_memory import Particles
from ..memory.refinement import Refinement
from ..relion.command import Command, called_programs
from ..relion.job_star import JobStar
from ..relion.programs import lookup
from ..relion.submission import Submission
from ..relion.version import major_minor
from ..units import bytes_of
from . import resources
from .resources import Resources, WantedResources
from .rewrite import as_single_process, with_resources

__all__ = [
    "Placeable",
    "Placement",
    "leafmost",
    "partition_names",
    "place",
]

# Of relion_refine; its maintainer: 2 to 3 ranks are worthwhile on an A100 (3dem/relion#1074).
DEFAULT_RANKS_PER_GPU = 3


class Placeable(NamedTuple):
    """What is known of a job before it is placed.

    `command` is the main command as its job type rewrote it, `levels` the lineage's entries,
    `parameters` their job_parameters; `pinned` the project's image versions, read from `pin_file`.
    `gpus_here`: the GPUs of this machine, where the job runs here; None if not, or not known.
    """

    submission: Submission
    command: Command
    levels: Sequence[JobType]
    parameters: Mapping[str, Any]
    gui: JobStar | None
    refinement: Refinement | None
    particles: Particles
    pinned: Mapping[str, str]
    pin_file: Path
    gpus_here: int | None


class Placement(NamedTuple):
    """Partition, resources, commands and image of a job; the image's file is not looked at yet.

    `main` is the one of `commands` that decided the job type.
    """

    partition: str | None
    settled: Resources
    main: Command
    commands: tuple[Command, ...]
    image: ChosenImage | None
    reasons: tuple[str, ...]


def place(job: Placeable, configuration: Configuration) -> Placement:
    """Place the job on the first of its partitions that holds it and has an image for it.

    Raises:
        DoesNotFit, ImageError: none of them does; the message says of each what is missing.
        ConfigError: fewer ranks are allowed than RELION needs.
    """
    passed: list[tuple[str | None, DispatchError]] = []
    for name in partition_names(job.parameters, job.submission.queue, configuration.site):
        try:
            found = _on(name, job, configuration)
        except (DoesNotFit, ImageError) as error:
            passed.append((name, error))
            continue
        over = [f"Not on partition {other}: {error}" for other, error in passed]
        chosen = [f"Partition {name}, the first of the job's that holds it."] if over else []
        return found._replace(reasons=(*over, *chosen, *found.reasons))
    if len(passed) == 1:
        raise passed[0][1]
    kind = DoesNotFit if any(isinstance(e, DoesNotFit) for _, e in passed) else ImageError
    each = " ".join(f"Partition {name}: {error}" for name, error in passed)
    raise kind(f"None of the job's partitions can run it. {each}")


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


def leafmost(levels: Sequence[JobType], key: str) -> Any:
    """The value of `key` nearest to the leaf, None where no level has one."""
    found = (getattr(level, key) for level in reversed(levels))
    return next((value for value in found if value is not None), None)


def _on(name: str | None, job: Placeable, configuration: Configuration) -> Placement:
    site = configuration.site
    partition = site.partitions.get(name or "", Partition())
    if partition.gpus is None:
        partition = replace(partition, gpus=job.gpus_here)
    image_name = leafmost(job.levels, "image")
    version = version_of(configuration.catalogue, image_name or "", job.pinned)
    wanted = _wanted(job, site, partition, major_minor(version) if version else None)
    settled = resources.decide(job.command, wanted, partition, job.refinement, job.particles)
    main = with_resources(job.command, job.submission.main, settled)
    commands = tuple(
        main if each is job.submission.main else as_single_process(each)
        for each in job.submission.commands
    )
    image = None
    if image_name:
        needs = Needs(
            gpu=site.apptainer.gpu_kind if settled.ngpu else None,
            partition=name,
            programs=called_programs(commands),
            signed_by=tuple(site.apptainer.signed_by),
        )
        image = choose(configuration.catalogue, image_name, job.pinned, needs, job.pin_file)
    reasons = (*settled.reasons, *([image.reason] if image else []))
    return Placement(name, settled, main, commands, image, reasons)


def _wanted(
    job: Placeable, site: Site, partition: Partition, relion_version: tuple[int, int] | None
) -> WantedResources:
    parameters, submission = job.parameters, job.submission
    options = job.gui.options if job.gui else {}
    thread_options = lookup(job.command.program).threads
    given_threads = submission.main.value(thread_options[0].lstrip("-")) if thread_options else None
    adjust = leafmost(job.levels, "adjust_GPU_nproc_to_mem")
    cap = partition.ranks_per_gpu or parameters.get("ranks_per_gpu")
    # A file in the FMI format has chosen nproc for the card that adjust_GPU_nproc_to_mem names.
    if cap is None and adjust is None and lookup(job.command.program).idle_leader:
        cap = DEFAULT_RANKS_PER_GPU
    return WantedResources(
        nproc=_first_number(parameters.get("nproc"), submission.ranks, options.get("nr_mpi")),
        nthread=_first_number(parameters.get("nthread"), given_threads, submission.threads),
        ngpu=_first_number(parameters.get("ngpu"), adjust and adjust[0], 0),
        nodes=_first_number(parameters.get("nodes")),
        gpu_bytes=bytes_of(partition.gpu_memory, "partition") or (adjust[1] if adjust else None),
        memory_model=leafmost(job.levels, "gpu_memory_model") or "relion",
        ranks_per_gpu=cap,
        mem=parameters.get("mem"),
        relion_version=relion_version,
        mps=site.shares_through_mps,
        hardware=site.gpu_constants,
    )


def _first_number(*candidates: int | str | None) -> int:
    """The first of the candidates that is a whole number, else 1."""
    for candidate in candidates:
        if candidate is not None and str(candidate).isdigit():
            return int(candidate)
    return 1
