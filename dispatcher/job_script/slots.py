"""What a job asks for where a scheduler counts in slots: a core each, and what belongs to it.

A scheduler may count memory and GPUs for each slot, or once for the job: the site knows.
"""

from __future__ import annotations

from typing import NamedTuple

from ..units import read_size

__all__ = ["Slots", "slots"]

_MEBIBYTE = 2**20


class Slots(NamedTuple):
    """What to ask for: so many slots, and of memory and GPUs the numbers that the scheduler counts.

    Attributes:
        number: of slots.
        gpus: for each slot, or for the job; 0 for none.
        memory: for each slot, or for the job: in MiB as ``1366M``, or as the site has written a
            size without a unit; None for none.
    """

    number: int
    gpus: int
    memory: str | None


def slots(
    cores: int, gpus: int, mem: int | str | None, *, gpus_per_slot: bool, memory_per_slot: bool
) -> Slots:
    """What a job with these cores, GPUs and memory asks for.

    A GPU for each slot cannot be less than one. So where GPUs are counted like that, a job on GPUs
    takes a slot for each of them: its cores are the slot's share of the node.

    >>> slots(15, 2, "20G", gpus_per_slot=False, memory_per_slot=True)
    Slots(number=15, gpus=2, memory='1366M')
    >>> slots(15, 2, "20G", gpus_per_slot=True, memory_per_slot=False)
    Slots(number=2, gpus=1, memory='20480M')
    """
    if gpus and gpus_per_slot:
        cores, gpus = gpus, 1
    return Slots(cores, gpus, _memory(mem, cores if memory_per_slot else 1))


def _memory(mem: int | str | None, parts: int) -> str | None:
    """A part of the memory, rounded up."""
    size = None if mem is None else read_size(str(mem))
    if size is None:
        return None if mem is None else str(mem)
    unit = _MEBIBYTE if size.unit > 1 else 1
    return f"{-int(-size.number * size.unit // unit // parts)}{'M' if size.unit > 1 else ''}"
