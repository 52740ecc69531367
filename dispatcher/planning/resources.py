"""Ranks, threads and GPUs of a job: what its type asks for, within RELION's rules and the node."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import NeedsGpus
from ..memory.card import Card
from ..memory.host_memory import Node, Particles
from ..memory.refinement import Refinement
from ..ranks.devices import gpus_named
from ..ranks.layouts import Layout, RankRules, WantedRanks
from ..ranks.limits import within_cores
from ..ranks.rank_fit import RankFit, fit_ranks
from ..ranks.reasons import shared_cores_reason
from ..relion.command import Command
from ..relion.programs import lookup
from ..units import bytes_of, count
from .node_shape import NodeShape

__all__ = ["Resources", "decide"]


_SLOW = (
    "This machine shows no GPU, so the job runs on its CPUs, which takes much longer. If the "
    'machine has GPUs, ask your admin to describe them (docs/site.md, "This machine alone").'
)


class Resources(NamedTuple):
    """What was decided.

    Attributes:
        ngpu: per node.
        fit: None if the program has no MPI.
        program_starts_ranks: the job's program starts the ranks by itself, and stays as it is.
        drawback: why another partition may be better, a sentence; "" if nothing speaks for that.
    """

    nproc: int
    nthread: int
    ngpu: int
    nodes: int
    fit: RankFit | None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    drawback: str = ""
    program_starts_ranks: bool = False


def decide(
    command: Command, wanted: WantedRanks, card: Card, node: NodeShape, particles: Particles
) -> Resources:
    """Settle ranks, threads and GPUs for the main command of a job.

    RELION's rules come before the site's wishes: VDAM has no MPI, unless half sets are split
    (ml_optimiser_mpi.cpp:107, 5.0.1), --skip_align no GPU (ml_optimiser.cpp:1745, 4.0.2).

    Raises:
        DoesNotFit: the references fit on no GPU of the partition, or into no node's memory.
        NeedsGpus: the program runs on GPUs alone, and the nodes have none.
        ConfigError: fewer ranks are allowed than RELION needs.
    """
    program, refinement = lookup(command.program), card.refinement
    partition = node.shape
    ngpu, reasons, warnings = _gpus(command, wanted.ngpu, node)
    gradient = refinement.gradient if refinement else _without_mpi(command)
    mpi = program.mpi and not gradient
    if wanted.nproc > 1 and not mpi:
        why = "gradient refinement (VDAM)" if program.mpi else command.base_program
        reasons.append(f"One process: {why} has no MPI version.")
    if not program.mpi:
        host = Node(cores=partition.cores, gpus=partition.gpus)
        nthread = within_cores(1, wanted.nthread, host.cores_beside(ngpu))
        alone = Layout(1, 1, ngpu, min(ngpu, 1))
        host = host._replace(is_this_machine=node.is_this_machine)
        reasons.append(shared_cores_reason(alone, nthread, wanted, host))
        return Resources(1, nthread, ngpu, 1, None, tuple(filter(None, reasons)), warnings)
    processes = wanted.nproc if mpi else 1
    if processes == 1 and ngpu > 1 and program.gpu_groups == "each rank":
        ngpu = 1
        reasons.append(f"1 GPU: a single process of {command.base_program} uses only one GPU.")
    memory = bytes_of(wanted.asked_memory or partition.memory, "partition")
    nodes = wanted.nodes if processes > 1 else 1
    fit = fit_ranks(
        wanted._replace(nproc=processes, ngpu=ngpu, nodes=nodes),
        RankRules(mpi, program.idle_leader, _splits_halves(command, refinement)),
        card,
        Node(
            memory,
            refinement,
            particles,
            leader=program.idle_leader,
            cores=partition.cores,
            threads=wanted.nthread,
            is_this_machine=node.is_this_machine,
            gpus=partition.gpus,
            asked_for=wanted.asked_memory is not None,
        ),
    )
    named = bool(wanted.devices) and fit.ngpu > 0
    return Resources(
        nproc=fit.nproc,
        nthread=fit.nthread,
        # Devices that a job type names need not count up from 0: 2:3 are there if a node has four.
        ngpu=max(fit.ngpu, min(ngpu, gpus_named(command, fit.nproc))) if named else fit.ngpu,
        nodes=fit.nodes,
        fit=fit,
        reasons=(*reasons, *fit.reasons),
        warnings=warnings,
        drawback=_drawback(fit, wanted),
    )


def _drawback(fit: RankFit, wanted: WantedRanks) -> str:
    """That GPUs which the job may have stay without a rank, or that a rank has a single thread."""
    used = fit.nodes * fit.ngpu
    if used < fit.most_gpus and not wanted.devices:
        return f"only {used} of the {fit.most_gpus} GPUs that the job may have could carry ranks."
    if fit.nthread < 2 <= wanted.nthread:
        return f"{count(fit.nproc, 'rank')} would have only 1 thread each."
    return ""


def _gpus(command: Command, wanted: int, node: NodeShape) -> tuple[int, list[str], tuple[str, ...]]:
    """The GPUs of each node that the job uses, why they are fewer than wanted, and a warning.

    Raises:
        NeedsGpus: there are none, and the program does not run without.
    """
    present = node.shape.gpus
    skips = "skip_align" in command or "skip_rotate" in command
    if wanted and skips and "blush" not in command:
        return 0, ["No GPU: RELION uses no GPU if alignment is skipped."], ()
    if present is None or present >= wanted:
        return wanted, [], ()
    if present:
        fewer = f"{count(present, 'GPU')} instead of {wanted}"
        return present, [f"{fewer}: a node does not have more."], ()
    for each in lookup(command.program).on_gpus_alone:
        if each.option in command:
            raise NeedsGpus(
                f"{each.program} runs on GPUs alone, but {node.name} has no GPU: choose "
                f"{each.instead} in RELION's window, or {node.elsewhere('a {} with GPUs')}."
            )
    if node.among_gpus:
        raise NeedsGpus(
            "these nodes have no GPUs, others of the partition do, and the job uses GPUs: "
            f"{node.elsewhere('another {} with GPUs')}. To run such jobs on CPUs, the admin sets "
            '"ngpu": 0 for them.'
        )
    where = "this machine" if node.gpus_counted else "the partition"
    reason = f"No GPU: {where} has no GPUs, so the job runs on CPUs."
    if not node.gpus_counted or lookup(command.program).gpu is None:
        return 0, [reason], ()
    return 0, [reason], (_SLOW,)


def _without_mpi(command: Command) -> bool:
    return "grad" in command and "split_random_halves" not in command


def _splits_halves(command: Command, refinement: Refinement | None) -> bool:
    given = any(
        name in command for name in ("split_random_halves", "auto_refine", "multibody_masks")
    )
    return given or bool(
        command.base_program == "relion_refine" and refinement and refinement.auto_refine
    )
