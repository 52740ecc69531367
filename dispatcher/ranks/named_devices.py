"""How ranks of relion_refine share the GPUs that a job type has named: ``--gpu 0,1:2,3``.

``:`` separates groups for followers, which are repeated from the first (ml_optimiser_mpi.cpp:228,
5.0.1); ``,`` devices over which a follower's threads go round (line 282). Each device that a thread
of a rank touches holds all that the rank allocates, and RELION counts a rank once on each of them
(line 333). A single process has the first group alone (ml_optimiser.cpp:1593). Pure arithmetic.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from ..config.largest import MOST_GPUS, MOST_LISTED
from ..errors import InputError
from ..units import whole_number

__all__ = ["Devices", "Sharing", "in_words", "named", "numbers", "sharing"]

Devices = tuple[tuple[int, ...], ...]  # group by group


class Sharing(NamedTuple):
    """What a node's ``gpus`` GPUs hold.

    Attributes:
        ranks: those that share the GPU with most.
        threads: the most that one rank has on one GPU.
        fewest_threads: the fewest there, on a GPU that it uses.
    """

    gpus: int
    ranks: int
    threads: int
    fewest_threads: int


def named(text: str) -> Devices:
    """The groups of a GPU option's value; none for one by which RELION chooses the devices.

    Raises:
        InputError: no node has so many GPUs, or the list is too long.
    """
    if not re.fullmatch(r"[0-9]+([,:][0-9]+)*", text):
        return ()
    if text.count(":") + text.count(",") >= MOST_LISTED:
        raise InputError(
            f"A GPU option lists more than {MOST_LISTED} devices ({text[:20]}…): give one group of "
            "devices for each GPU, which RELION repeats for all ranks."
        )
    return tuple(tuple(numbers(group)) for group in text.split(":"))


def numbers(text: str) -> list[int]:
    """All numbers of devices in the value of a GPU option.

    Raises:
        InputError: no node has so many GPUs.
    """
    found = [whole_number(digits) or 0 for digits in re.findall("[0-9]+", text)]
    if found and max(found) >= MOST_GPUS:
        raise InputError(
            f"A GPU option names the device {max(found)}, and no node has more than {MOST_GPUS} "
            "GPUs, which count from 0: correct the list of GPUs."
        )
    return found


def in_words(devices: Devices) -> str:
    """The groups as RELION's option has them: '0,1:2,3'."""
    return ":".join(",".join(map(str, group)) for group in devices)


def sharing(devices: Devices, nproc: int, nodes: int, threads: int) -> Sharing:
    """How ``nproc`` ranks of so many threads, the idle leader included, share these devices.

    Each of ``nodes`` nodes has the same number of followers, the first ones on the first node.
    """
    followers, groups, threads = max(1, nproc - 1), len(devices), max(1, threads)
    once = _each_group_once(devices[:followers], threads)
    if followers % (nodes * groups) == 0:
        return once._replace(ranks=followers // (nodes * groups) * once.ranks)
    most = 0
    for node in range(nodes):
        first, last = -(-node * followers // nodes), -(-(node + 1) * followers // nodes)
        ranks: Counter[int] = Counter()
        for group, named_here in enumerate(devices[:followers]):
            here = (last - group - 1) // groups - (first - group - 1) // groups
            for device in _threads_on(named_here, threads):
                ranks[device] += here
        most = max(most, *ranks.values())
    return once._replace(ranks=most)


@cache  # the same groups are asked about for each layout that is tried
def _each_group_once(devices: Devices, threads: int) -> Sharing:
    """What the GPUs hold if one rank has each group."""
    on = [_threads_on(group, threads) for group in devices]
    ranks = Counter(device for counted in on for device in counted)
    each = [number for counted in on for number in counted.values()]
    return Sharing(len(ranks), max(ranks.values()), max(each), min(each))


@cache
def _threads_on(group: tuple[int, ...], threads: int) -> Counter[int]:
    """How many of a rank's threads go to each device of its group that has any."""
    found: Counter[int] = Counter()
    for at, device in enumerate(group[:threads]):
        found[device] += (threads - at - 1) // len(group) + 1
    return found
