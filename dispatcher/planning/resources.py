"""Ranks, threads and GPUs of a job: what its type asks for, within RELION's rules and the node."""

from __future__ import annotations

from typing import NamedTuple

from ..config.site import Partition
from ..memory.card import Card
from ..memory.host_memory import Node, Particles
from ..memory.refinement import Refinement
from ..relion.command import Command
from ..relion.programs import lookup
from ..units import bytes_of, count
from .layouts import RankRules, WantedRanks
from .rank_fit import RankFit, fit_ranks

__all__ = ["Resources", "decide"]


class Resources(NamedTuple):
    """What was decided; `ngpu` per node, `fit` None if the program has no MPI."""

    nproc: int
    nthread: int
    ngpu: int
    nodes: int
    fit: RankFit | None
    reasons: tuple[str, ...] = ()


def decide(
    command: Command, wanted: WantedRanks, card: Card, partition: Partition, particles: Particles
) -> Resources:
    """Settle ranks, threads and GPUs for the main command of a job.

    RELION's rules come before the site's wishes: VDAM has no MPI, unless half sets are split
    (ml_optimiser_mpi.cpp:107, 5.0.1), --skip_align no GPU (ml_optimiser.cpp:1745, 4.0.2).

    Raises:
        DoesNotFit: the references fit on no GPU of the partition, or into no node's memory.
        ConfigError: fewer ranks are allowed than RELION needs.
    """
    program, refinement = lookup(command.program), card.refinement
    ngpu, reasons = _gpus(command, wanted.ngpu, partition)
    gradient = refinement.gradient if refinement else _without_mpi(command)
    mpi = program.mpi and not gradient
    if wanted.nproc > 1 and not mpi:
        why = "gradient refinement (VDAM)" if program.mpi else command.base_program
        reasons.append(f"One process: {why} has no MPI version.")
    if not program.mpi:
        nthread = min(wanted.nthread, partition.cores or wanted.nthread)
        return Resources(1, nthread, ngpu, 1, None, tuple(reasons))
    processes = wanted.nproc if mpi else 1
    if processes == 1 and ngpu > 1 and program.gpu_groups == "each rank":
        ngpu = 1
        reasons.append(f"1 GPU: a single process of {command.base_program} uses only one GPU.")
    memory = bytes_of(partition.memory, "partition")
    nodes = wanted.nodes if processes > 1 else 1
    fit = fit_ranks(
        wanted._replace(nproc=processes, ngpu=ngpu, nodes=nodes),
        RankRules(mpi, program.idle_leader, _splits_halves(command, refinement)),
        card,
        Node(memory, refinement, particles, program.idle_leader, partition.cores, wanted.nthread),
    )
    return Resources(
        nproc=fit.nproc,
        nthread=fit.nthread,
        ngpu=fit.ngpu,
        nodes=fit.nodes,
        fit=fit,
        reasons=(*reasons, *fit.reasons),
    )


def _gpus(command: Command, wanted: int, partition: Partition) -> tuple[int, list[str]]:
    """The GPUs of each node that the job uses, and why they are fewer than wanted."""
    skips = "skip_align" in command or "skip_rotate" in command
    if wanted and skips and "blush" not in command:
        return 0, ["No GPU: RELION uses no GPU if alignment is skipped."]
    if wanted and partition.gpus is not None and partition.gpus < wanted:
        if partition.gpus == 0:
            return 0, ["No GPU: the partition has no GPUs, so the job runs on CPUs."]
        return partition.gpus, [
            f"{count(partition.gpus, 'GPU')} instead of {wanted}: a node does not have more."
        ]
    return wanted, []


def _without_mpi(command: Command) -> bool:
    return "grad" in command and "split_random_halves" not in command


def _splits_halves(command: Command, refinement: Refinement | None) -> bool:
    given = any(
        name in command for name in ("split_random_halves", "auto_refine", "multibody_masks")
    )
    return given or bool(
        command.base_program == "relion_refine" and refinement and refinement.auto_refine
    )
