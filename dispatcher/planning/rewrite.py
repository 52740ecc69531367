"""Rewrite RELION's parameters: what a job type removes and adds, and what the plan decided."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.job_types import JobType
from ..host.shell_words import Word, split
from ..ranks import left_free
from ..ranks.devices import gpu_devices, is_ours
from ..relion.command import Command
from ..relion.programs import lookup
from .resources import Resources

__all__ = ["as_single_process", "rewrite", "rewrite_reasons", "with_resources"]


def rewrite(command: Command, levels: Sequence[JobType]) -> Command:
    """Remove, then add, level by level from the base to the leaf.

    A name that begins with a dash is used as written (``-d``), any other gets two. A value is
    shell text: ``"\\"\\""`` is an empty argument, ``""`` (or true) a flag without a value;
    false adds nothing. Of two values of ``--free_gpu_memory`` the larger holds.
    """
    changed = _by_levels(command, levels)
    users = left_free.larger(command, changed, levels).users
    if users is None:
        return changed
    return changed.with_option(f"--{left_free.OPTION}", (Word.literal(users),))


def rewrite_reasons(command: Command, levels: Sequence[JobType]) -> tuple[str, ...]:
    """Why the user's value of an option stays, or does not, where the job type has another."""
    reason = left_free.larger(command, _by_levels(command, levels), levels).reason
    return (reason,) if reason else ()


def _by_levels(command: Command, levels: Sequence[JobType]) -> Command:
    for level in levels:
        for name in level.relion_remove_parameter:
            command = command.without(name)
        for name, value in level.relion_add_parameter.items():
            option = name if name.startswith("-") else f"--{name}"
            if value is not False:
                command = command.with_option(option, () if value is True else split(str(value)))
    return command


def with_resources(
    command: Command, original: Command, levels: Sequence[JobType], settled: Resources
) -> Command:
    """The command with ``_mpi``, its threads and its GPU options in line with what was settled."""
    program = lookup(command.program)
    if program.mpi:
        command = command.with_mpi(settled.nproc > 1)
    if program.gpu is None:
        pass
    elif settled.ngpu == 0:
        command = command.without(program.gpu)
    elif is_ours(command, levels, settled.nproc):
        devices = gpu_devices(program, settled.nproc, settled.ngpu)
        command = command.with_option(program.gpu, (Word.literal(devices),))
    if settled.fit and settled.fit.free_gpu_memory:
        megabytes = Word.literal(str(settled.fit.free_gpu_memory))
        command = command.with_option(f"--{left_free.OPTION}", (megabytes,))
    for option in program.threads:
        given = option.lstrip("-") in original
        # RELION's own programs pass over an option they do not know; its Python tools stop.
        if given or (settled.nthread > 1 and not command.base_program.startswith("relion_python_")):
            command = command.with_option(option, (Word.literal(str(settled.nthread)),))
    return command


def as_single_process(command: Command) -> Command:
    """The commands beside the main one run as one process."""
    return command.with_mpi(False) if lookup(command.program).mpi else command
