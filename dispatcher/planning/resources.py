"""Ranks, threads, GPUs and memory of a job: what its type asks for, within RELION's rules and the
node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..config.gpu_constants import HARDWARE, HardwareConstants
from ..config.site import Partition
from ..memory.card import MemoryModel
from ..memory.host_memory import Node, Particles
from ..memory.refinement import Refinement
from ..relion.command import Command
from ..relion.programs import lookup
from ..units import bytes_of, count
from .memory_request import memory_request
from .rank_fit import RankFit
from .rank_fit import fit as fit_ranks

__all__ = ["Resources", "WantedResources", "as_json", "decide"]


class WantedResources(NamedTuple):
    """What a job type and RELION's window ask for; None where neither says.

    `ngpu` is per node, `gpu_bytes` the memory of one GPU in bytes, `ranks_per_gpu` the most that
    may share one, `mem` the scheduler's text. `relion_version` is the image's, (major, minor);
    `mps` whether the site has ranks share a GPU through MPS, `hardware` what its cards themselves
    take.
    """

    nproc: int
    nthread: int
    ngpu: int
    nodes: int = 1
    gpu_bytes: int | None = None
    memory_model: MemoryModel = "relion"
    ranks_per_gpu: int | None = None
    mem: Any = None
    relion_version: tuple[int, int] | None = None
    mps: bool = False
    hardware: HardwareConstants = HARDWARE


class Resources(NamedTuple):
    """What was decided; `ngpu` per node, `fit` None where the program has no MPI."""

    nproc: int
    nthread: int
    ngpu: int
    nodes: int
    fit: RankFit | None
    reasons: tuple[str, ...] = ()
    mem: Any = None


_UNCOUNTED = Particles()


def decide(
    command: Command,
    wanted: WantedResources,
    partition: Partition,
    refinement: Refinement | None,
    particles: Particles = _UNCOUNTED,
) -> Resources:
    """Settle ranks, threads, GPUs and host memory for the main command of a job.

    RELION's rules come before the site's wishes: VDAM has no MPI (ml_optimiser_mpi.cpp:107, 5.0.1),
    --skip_align no GPU (ml_optimiser.cpp:1745, 4.0.2).

    Raises:
        DoesNotFit: the references fit on no GPU of the partition, or into no node's memory.
        ConfigError: fewer ranks are allowed than RELION needs.
    """
    program = lookup(command.program)
    ngpu, reasons = _gpus(command, wanted, partition)
    gradient = "grad" in command or bool(refinement and refinement.gradient)
    mpi = program.mpi and not gradient
    if wanted.nproc > 1 and not mpi:
        why = "gradient refinement (VDAM)" if program.mpi else command.base_program
        reasons.append(f"One process: {why} has no MPI version.")
    processes = wanted.nproc if mpi else 1
    memory = bytes_of(partition.memory, "partition")
    if not program.mpi:
        nthread = min(wanted.nthread, partition.cores or wanted.nthread)
        mem, asked = memory_request(wanted.mem, None, memory)
        return Resources(1, nthread, ngpu, 1, None, (*reasons, *asked), mem)
    if processes == 1 and ngpu > 1 and program.gpu_groups == "each rank":
        ngpu = 1
        reasons.append(f"1 GPU: a single process of {command.base_program} uses no more.")
    fit = fit_ranks(
        wanted=processes,
        ngpu=ngpu,
        gpu_bytes=wanted.gpu_bytes,
        threads=wanted.nthread,
        refinement=refinement,
        memory_model=wanted.memory_model,
        mpi=mpi,
        idle_leader=program.idle_leader,
        split_halves=_splits_halves(command, refinement),
        free_gpu_memory=_number(command.value("free_gpu_memory")),
        relion_version=wanted.relion_version,
        mps=wanted.mps and program.idle_leader,
        hardware=wanted.hardware,
        nodes=wanted.nodes if processes > 1 else 1,
        ranks_per_gpu=wanted.ranks_per_gpu,
        cores=partition.cores,
        node=Node(memory, refinement, particles, program.idle_leader),
    )
    mem, asked = memory_request(wanted.mem, fit.host_memory, memory)
    return Resources(
        nproc=fit.nproc,
        nthread=fit.nthread,
        ngpu=fit.ngpu,
        nodes=fit.nodes,
        fit=fit,
        reasons=(*reasons, *fit.reasons, *asked),
        mem=mem,
    )


def _gpus(command: Command, wanted: WantedResources, partition: Partition) -> tuple[int, list[str]]:
    skips = "skip_align" in command or "skip_rotate" in command
    if wanted.ngpu and skips and "blush" not in command:
        return 0, ["No GPU: RELION uses none when alignment is skipped."]
    if wanted.ngpu and partition.gpus is not None and partition.gpus < wanted.ngpu:
        if partition.gpus == 0:
            return 0, ["No GPU: the partition has none, the job runs on its CPUs."]
        return partition.gpus, [
            f"{count(partition.gpus, 'GPU')} instead of {wanted.ngpu}: a node has no more."
        ]
    return wanted.ngpu, []


def _splits_halves(command: Command, refinement: Refinement | None) -> bool:
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


def as_json(settled: Resources, refinement: Refinement | None, why_not: str) -> Mapping[str, Any]:
    """The record's ``gpu_fit``: what was computed, or why nothing was; sizes in bytes."""
    fit = settled.fit
    box = {"box_size": refinement.box, "box_size_source": refinement.source} if refinement else {}
    host = {"host_memory": fit.host_memory.total} if fit and fit.host_memory else {}
    rules = {"idle_leader": fit.idle_leader, "split_halves": fit.split_halves} if fit else {}
    if fit is None or fit.ngpu == 0:
        return {**box, **host, **rules, "model": None, "not_done": why_not}
    spread = {
        "ranks_per_gpu": fit.ranks_per_gpu,
        "nproc": fit.nproc,
        "total_gpus": fit.ngpu * fit.nodes,
        "least": fit.least,
    }
    if refinement is None:
        return {**box, **host, **rules, **spread, "model": None, "not_done": why_not}
    return {
        **box,
        **host,
        **rules,
        **spread,
        "model": fit.model,
        "bytes_per_rank": fit.bytes_per_rank,
        "bytes_per_rank_without_mps": fit.bytes_per_rank_without_mps,
        "least_bytes_per_rank": fit.least_bytes_per_rank,
        "usable_percent": fit.usable_percent,
    }
