"""Ranks, threads and GPUs of a job: what its type asks for, within RELION's rules and the node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import ranks
from .command import Command
from .programs import Program, lookup
from .ranks import MemoryModel, RankFit
from .refinement import RefinementModel
from .site import Partition

__all__ = ["Resources", "Wanted", "decide"]


class Wanted(NamedTuple):
    """What a job type and RELION's window ask for; None where neither says.

    `ngpu` is per node, `gpu_bytes` the memory of one GPU in bytes.
    """

    nproc: int
    nthread: int
    ngpu: int
    nodes: int = 1
    gpu_bytes: int | None = None
    memory_model: MemoryModel = "relion"


class Resources(NamedTuple):
    """What was decided; `ngpu` per node, `fit` None where GPU memory played no part."""

    nproc: int
    nthread: int
    ngpu: int
    nodes: int
    fit: RankFit | None
    reasons: tuple[str, ...] = ()


def decide(
    command: Command,
    wanted: Wanted,
    partition: Partition,
    refinement: RefinementModel | None,
) -> Resources:
    """Settle ranks, threads and GPUs for the main command of a job.

    RELION's rules come before the site's wishes: VDAM has no MPI (ml_optimiser_mpi.cpp:107, 5.0.1),
    --skip_align no GPU (ml_optimiser.cpp:1745, 4.0.2).

    Raises:
        DoesNotFit: the references fit on no GPU of the partition.
        ConfigError: fewer ranks are allowed than RELION needs.
    """
    program = lookup(command.program)
    ngpu, reasons = _gpus(command, program, wanted, partition)
    gradient = "grad" in command or bool(refinement and refinement.gradient)
    mpi = program.mpi and not gradient
    if wanted.nproc > 1 and not mpi:
        why = "gradient refinement (VDAM)" if program.mpi else command.base_program
        reasons.append(f"One process: {why} has no MPI version.")
    processes = wanted.nproc if mpi else 1
    halves = _splits_halves(command, refinement)
    if partition.cores:
        processes, nthread, fewer = _within_cores(
            processes, wanted, partition.cores, least=3 if halves else 1
        )
        reasons += fewer
    else:
        nthread = wanted.nthread
    nodes = wanted.nodes if processes > 1 else 1
    if not program.mpi:
        return Resources(1, nthread, ngpu, 1, None, tuple(reasons))
    fit = ranks.fit(
        wanted=processes,
        ngpu=ngpu * nodes,
        gpu_bytes=wanted.gpu_bytes,
        threads=nthread,
        refinement=refinement,
        memory_model=wanted.memory_model,
        mpi=mpi,
        idle_leader=program.idle_leader,
        split_halves=halves,
        free_gpu_memory=_number(command.value("free_gpu_memory")),
    )
    return Resources(
        fit.nproc,
        fit.nthread,
        -(-fit.ngpu // nodes),
        nodes,
        fit if refinement and ngpu else None,
        (*reasons, *fit.reasons),
    )


def _within_cores(
    processes: int, wanted: Wanted, cores: int, least: int
) -> tuple[int, int, list[str]]:
    """Ranks and threads that the nodes' cores can carry: fewer threads first, then fewer ranks."""
    reasons = []
    nodes = wanted.nodes if processes > 1 else 1
    fewer = max(least, min(processes, cores * nodes))
    if fewer < processes:
        reasons.append(f"{fewer} ranks instead of {processes}: there are {cores * nodes} cores.")
    on_each = -(-fewer // nodes)
    nthread = max(1, min(wanted.nthread, cores // on_each))
    if nthread < wanted.nthread:
        reasons.append(
            f"{nthread} thread{'s' if nthread > 1 else ''} instead of {wanted.nthread}: "
            f"{on_each} ranks share the {cores} cores of a node."
        )
    return fewer, nthread, reasons


def _gpus(
    command: Command, program: Program, wanted: Wanted, partition: Partition
) -> tuple[int, list[str]]:
    skips = "skip_align" in command or "skip_rotate" in command
    if wanted.ngpu and skips and "blush" not in command:
        return 0, ["No GPU: RELION uses none when alignment is skipped."]
    if wanted.ngpu and partition.gpus is not None and partition.gpus < wanted.ngpu:
        if partition.gpus == 0:
            return 0, ["No GPU: the partition has none, the job runs on its CPUs."]
        return partition.gpus, [
            f"{partition.gpus} GPUs instead of {wanted.ngpu}: a node of the partition has no more."
        ]
    return wanted.ngpu, []


def _splits_halves(command: Command, refinement: RefinementModel | None) -> bool:
    given = any(
        name in command for name in ("split_random_halves", "auto_refine", "multibody_masks")
    )
    return given or bool(
        command.base_program == "relion_refine" and refinement and refinement.auto_refine
    )


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0


def as_json(
    fit: RankFit | None, refinement: RefinementModel | None, why_not: str
) -> Mapping[str, Any]:
    """The record's ``gpu_fit``: what was computed, or why nothing was."""
    box = {"box_size": refinement.box, "box_size_source": refinement.source} if refinement else {}
    if fit is None:
        return {**box, "model": None, "not_done": why_not}
    return {
        **box,
        "model": fit.model,
        "bytes_per_rank": fit.bytes_per_rank,
        "ranks_per_gpu": fit.ranks_per_gpu,
        "nproc": fit.nproc,
        "total_gpus": fit.ngpu,
    }
