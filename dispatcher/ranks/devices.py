"""Which GPUs of a node a program uses: the value of its GPU option, and who decides it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..config.job_types import JobType
from ..relion.command import Command
from ..relion.programs import Program, lookup
from . import named_devices
from .named_devices import Devices

__all__ = ["devices_named", "gpu_devices", "gpus_named", "is_ours"]


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


def is_ours(command: Command, levels: Sequence[JobType], nproc: int) -> bool:
    """Whether the plan chooses the devices of ``command``, and a node may take fewer of them.

    Not if there is no GPU option, or if the job type of these ``levels`` has named devices; a tool
    that takes one GPU gets it from there. An empty option is left to us, and one from RELION's
    window means nothing on another node.
    """
    program = lookup(command.program)
    text = _named(command)
    if not program.gpu_groups or text is None or program.gpu is None:
        return False
    too_few = program.gpu_groups == "each rank" and text.count(":") + 1 < nproc
    return not text or too_few or not _adds(levels, program.gpu)


def devices_named(command: Command) -> Devices:
    """The devices of ``command`` that count in the fit: those of groups for followers."""
    if lookup(command.program).gpu_groups != "followers":
        return ()
    return named_devices.named(_named(command) or "")


def gpus_named(command: Command, nproc: int) -> int:
    """How many GPUs a node must have for the devices of ``command``: 3 for ``1:2``, 0 for none.

    Of more groups than ranks that use GPUs, the first count: RELION reads one for each such rank
    (ml_optimiser_mpi.cpp:251, autopicker_mpi.cpp:60), and the first for a single process.
    """
    leader = nproc > 1 and lookup(command.program).idle_leader
    groups = (_named(command) or "").split(":")[: nproc - leader]
    return max(named_devices.numbers(":".join(groups)), default=-1) + 1


def _named(command: Command) -> str | None:
    """The value of the program's GPU option, None if there is none."""
    option = lookup(command.program).gpu
    return command.value(option.lstrip("-")) if option else None


def _adds(levels: Sequence[JobType], option: str) -> bool:
    """Whether a lineage puts the option into RELION's command, with dashes or without: the last of
    its levels that speaks of the option says so."""
    name = option.lstrip("-")
    added = False
    for level in levels:
        added = added and name not in _names(level.relion_remove_parameter)
        values = [each for key, each in level.relion_add_parameter.items() if name in _names([key])]
        added = added or any(value is not False for value in values)
    return added


def _names(options: Iterable[str]) -> set[str]:
    return {option.lstrip("-") for option in options}
