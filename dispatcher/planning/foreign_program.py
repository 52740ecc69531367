"""A program that is not RELION's: the GPUs and threads it asks for, and those that it is told."""

from __future__ import annotations

from typing import NamedTuple

from ..config.site import Partition
from ..host.shell_words import Word
from ..relion.asked_gpus import ALL, asked_gpus, with_own_devices
from ..relion.command import Command
from ..units import count, whole_number
from .node_shape import NodeShape
from .resources import Resources

__all__ = ["ForeignProgram", "foreign_program", "gpus_asked_for"]


class ForeignProgram(NamedTuple):
    """The command as it will run, a sentence for each decision, and what the user should know."""

    command: Command
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def gpus_asked_for(command: Command, partition: Partition) -> int:
    """GPUs per node that the command asks for, 0 if it says nothing; "all" are those of a node."""
    asked = asked_gpus(command)
    if asked is None:
        return 0
    return (partition.gpus or 1) if asked.number == ALL else asked.number


def foreign_program(command: Command, node: NodeShape, settled: Resources) -> ForeignProgram:
    """The command with no more threads than its job has, and with the numbers of its job's GPUs.

    A job that runs on this machine sees all GPUs of the machine. Any other job sees its own GPUs
    alone, which count from 0.
    """
    given = whole_number(command.value("j") or "")  # RELION writes --j into every External job
    if given is not None and given > settled.nthread:
        command = command.with_option("--j", (Word.literal(str(settled.nthread)),))
    asked, ngpu = asked_gpus(command), settled.ngpu
    if ngpu == 0:
        return ForeignProgram(command, warnings=_warnings(command, node))
    visible = (node.shape.gpus or ALL) if node.is_this_machine else ngpu
    told = with_own_devices(command, ngpu, visible)
    now = asked_gpus(told)
    reasons = []
    if asked and asked.number and now:
        reasons.append(f"{count(ngpu, 'GPU')}: the command has {asked.text}.")
        if now.text != asked.text:
            reasons.append(f"{now.text} instead of {asked.text}: a job's GPUs count from 0.")
    return ForeignProgram(told, tuple(reasons))


def _warnings(command: Command, node: NodeShape) -> tuple[str, ...]:
    """That the program will see no GPU, if the user seems to expect one."""
    asked = asked_gpus(command)
    expected = asked.text if asked and asked.number else ""
    if expected and node.shape.gpus == 0:
        return (
            f"The command asks for GPUs ({expected}), but {node.name} has none: "
            f"{node.elsewhere('a {} with GPUs')}, or the program will see no GPU.",
        )
    if node.is_this_machine:
        return ()  # a program that runs here sees all its GPUs
    if expected:
        return (
            f"The command asks for GPUs ({expected}), but its job type gets none, so the program "
            'may see no GPU: ask your admin to set "ngpu" of the job type to null.',
        )
    if node.shape.gpus:
        return (
            f"The job asks for no GPU, but {node.name} has GPUs, which the program will not see. "
            'If the program needs GPUs, add a parameter "gpu" with their numbers in RELION\'s '
            f'window ("0", or "0,1" for two); else {node.elsewhere("a {} without GPUs")}.',
        )
    return ()
