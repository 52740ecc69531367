"""Is the node as the site says, with room and limits under which RELION and its MPI run?"""

from __future__ import annotations

from collections.abc import Iterator

from ...units import bytes_of
from ..asked import Asked
from ..facts import Facts
from ..finding import Finding, failure, ok, warning

__all__ = ["clock", "limits", "node"]

_MIB = 1024  # KiB
_GIB = 1024 * 1024  # KiB
_LEAST_SHM = 256 * _MIB  # Open MPI's and NCCL's shared memory; containers' usual default is 64 MiB
_LEAST_TMP = 1 * _GIB
_LEAST_FILES = 1024
_LEAST_STACK = 8 * _MIB
_SECONDS_APART = 2.0  # files seem to be of the future
_FAR_APART = 30.0


def node(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Has the node the cores and the memory that the site says?"""
    cores, memory = facts.number("cores"), facts.number("memory")
    says = asked.shape
    has = f"{facts['host']} has {cores or 0:.0f} cores and {(memory or 0) / _GIB:.0f} GiB of memory"
    wrong = []
    if says.cores and cores and says.cores > cores:
        wrong.append(f"{says.cores} cores")
    told = bytes_of(says.memory, asked.key)
    if told and memory and told > memory * 1024:
        wrong.append(f"{says.memory} of memory")
    if wrong:
        yield warning(
            f"{has}, but {asked.key} says {' and '.join(wrong)}: correct the site's file, or jobs "
            "that take a whole node never start there."
        )
    else:
        yield ok(f"{has}.")


def limits(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Is there room in /dev/shm and for temporary files, and do the limits of users suffice?"""
    wrong = [
        f"{what} is {facts[name]} {unit} (at least {least} {unit})"
        for name, what, least, unit in (
            ("shm_free", "the free part of /dev/shm", _LEAST_SHM, "KiB"),
            ("tmp_free", f"the free part of {facts['tmp']}", _LEAST_TMP, "KiB"),
            ("open_files", "the limit of open files (ulimit -n)", _LEAST_FILES, "files"),
            ("stack", "the limit of the stack (ulimit -s)", _LEAST_STACK, "KiB"),
        )
        if (number := facts.number(name)) is not None and number < least
    ]
    if facts["shm_free"] == "":
        wrong.append("there is no /dev/shm, in which MPI's ranks share memory")
    if facts["infiniband"] == "yes" and facts["locked_memory"] != "unlimited":
        wrong.append(
            f"the limit of locked memory (ulimit -l) is {facts['locked_memory']} KiB, with which "
            "MPI cannot use InfiniBand"
        )
    if wrong:
        yield warning(f"On {facts['host']} {'; '.join(wrong)}: ask the node's admin to raise that.")
    else:
        yield ok(f"The folder /dev/shm, {facts['tmp']} and the limits of users have room.")


def clock(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Do the clocks agree?

    `offset` is how far the node's clock is ahead, `uncertainty` how well that is known.
    """
    offset = facts.number("offset") or 0.0
    surely = max(0.0, abs(offset) - (facts.number("uncertainty") or 0.0))
    way = "ahead of" if offset > 0 else "behind"
    sentence = (
        f"The clock of {facts['host']} is {abs(offset):.1f} s {way} this machine's, so that files "
        "seem to be older or newer than they are: have both ask a time server (chrony, ntp)."
    )
    if surely > _FAR_APART:
        yield failure(sentence)
    elif surely > _SECONDS_APART:
        yield warning(sentence)
    else:
        yield ok(f"The clocks of {facts['host']} and of this machine agree.")
