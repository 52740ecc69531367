"""Rewrite RELION's parameters: what a job type removes and adds, and what the plan decided."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.job_types import JobType
from ..host.shell_words import Word, split
from ..relion.command import Command
from ..relion.programs import Program, lookup
from .resources import Resources

__all__ = ["as_single_process", "gpu_devices", "rewrite", "with_resources"]


def rewrite(command: Command, levels: Sequence[JobType]) -> Command:
    """Remove, then add, level by level from the base to the leaf.

    A name that begins with a dash is used as written (``-d``), any other gets two. A value is
    shell text: ``"\\"\\""`` is an empty argument, ``""`` (or true) a flag without a value;
    false adds nothing.
    """
    for level in levels:
        for name in level.relion_remove_parameter:
            command = command.without(name)
        for name, value in level.relion_add_parameter.items():
            option = name if name.startswith("-") else f"--{name}"
            if value is not False:
                command = command.with_option(option, () if value is True else split(str(value)))
    return command


def with_resources(command: Command, original: Command, settled: Resources) -> Command:
    """The command with ``_mpi``, its threads and its GPU options in line with what was settled."""
    program = lookup(command.program)
    if program.mpi:
        command = command.with_mpi(settled.nproc > 1)
    if program.gpu is None:
        pass
    elif settled.ngpu == 0:
        command = command.without(program.gpu)
    elif program.gpu_groups and not _is_the_sites(command, original, program, settled.nproc):
        devices = gpu_devices(program, settled.nproc, settled.ngpu)
        command = command.with_option(program.gpu, (Word.literal(devices),))
    if settled.fit and settled.fit.free_gpu_memory:
        megabytes = Word.literal(str(settled.fit.free_gpu_memory))
        command = command.with_option("--free_gpu_memory", (megabytes,))
    for option in program.threads:
        given = option.lstrip("-") in original
        # RELION's own programs pass over an option they do not know; its Python tools stop.
        if given or (settled.nthread > 1 and not command.base_program.startswith("relion_python_")):
            command = command.with_option(option, (Word.literal(str(settled.nthread)),))
    return command


def gpu_devices(program: Program, nproc: int, ngpu: int) -> str:
    """The value of the program's GPU option for ``nproc`` ranks that share ``ngpu`` GPUs of a node.

    Rank by rank from GPU to GPU, so that each has one GPU and none is counted twice, on every node
    as on the first: ``0:1:2:3``, which RELION repeats for as many followers as there are, or one
    group for each rank if a program needs that. A single process reads the first group alone
    (ml_optimiser.cpp:1593, 5.0.1), and spreads its threads over the devices in it: ``0,1,2,3``.
    """
    if program.gpu_groups == "each rank":
        return ":".join(str(rank % ngpu) for rank in range(nproc))
    return (":" if nproc > 1 else ",").join(map(str, range(ngpu)))


def _is_the_sites(command: Command, original: Command, program: Program, nproc: int) -> bool:
    """Whether the GPU option stays as it is: there is none, or the job type has named devices.

    An empty one is left to us, and one from RELION's window means nothing on another node.
    """
    name = (program.gpu or "").lstrip("-")
    text = command.value(name)
    if text is None:
        return True
    too_few = program.gpu_groups == "each rank" and text.count(":") + 1 < nproc
    return text not in ("", original.value(name)) and not too_few


def as_single_process(command: Command) -> Command:
    """The commands beside the main one run as one process."""
    return command.with_mpi(False) if lookup(command.program).mpi else command
