"""What a scheduler tells of its cluster, in terms that hold for every scheduler."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Ask", "Setting", "Surveyed", "SurveyedNode", "SurveyedPartition", "least",
           "size_in_bytes"]  # fmt: skip

# Calls a command; its output, or None if it cannot be called or fails.
Ask: TypeAlias = Callable[[Sequence[str]], str | None]

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)i?[bw]?", re.IGNORECASE)
_STEPS = " kmgtp"


class SurveyedNode(NamedTuple):
    """A node, or one kind of the cards of a node that has several kinds.

    Attributes:
        name: the node's.
        cores: that jobs may have; None if the scheduler does not say.
        memory: that jobs may have, bytes; None as before.
        gpus: that jobs may have.
        gpu_type: the word by which a job asks for these cards; "" if there is none.
        words: what may tell which cards they are: their type, model, or features of the node.
        features: by which a job can ask for this node.
        works: whether the node takes jobs now, or soon without a person.
    """

    name: str
    cores: int | None = None
    memory: int | None = None
    gpus: int = 0
    gpu_type: str = ""
    words: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    works: bool = True


class SurveyedPartition(NamedTuple):
    """A partition, or queue.

    Attributes:
        nodes: its nodes; one of several kinds of cards once for each kind.
        seconds: the most time that a job may have; None for no limit.
        default_seconds: the time of a job that asks for none; None if that is the most.
        gpus_per_job: the most GPUs that a job may have; None for no limit.
        is_default: jobs that name none go there.
        users, groups: the only ones whose jobs are taken, by names of the system; empty for all.
        accounts, qos: of which a job must have one; empty for any.
        gives_way: jobs of other partitions may stop its jobs, so that it is to come last.
        not_by_itself: why jobs are not to be sent there unless a person says so; "" if they may be.
        notes: what an admin should know, whole sentences.
    """

    name: str
    nodes: tuple[SurveyedNode, ...] = ()
    seconds: int | None = None
    default_seconds: int | None = None
    gpus_per_job: int | None = None
    is_default: bool = False
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    gives_way: bool = False
    not_by_itself: str = ""
    notes: tuple[str, ...] = ()


class Setting(NamedTuple):
    """A key of the scheduler in site.json with its value, and the reason, a whole sentence."""

    key: str
    value: Any
    why: str


class Surveyed(NamedTuple):
    """A cluster.

    Attributes:
        title: the scheduler with its version, in sentences.
        settings: what site.json has to say of the scheduler.
        notes: what an admin should know, whole sentences.
        unknown: what the scheduler did not tell, whole sentences that say what to do.
    """

    title: str
    partitions: tuple[SurveyedPartition, ...]
    settings: tuple[Setting, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def size_in_bytes(text: object, unit: str = "") -> int | None:
    """ "263974212kb", "503.5G" or a number of `unit`s ("m": 2^20 bytes) in bytes; None for no size.

    >>> size_in_bytes("512mb"), size_in_bytes("2", "g"), size_in_bytes("-")
    (536870912, 2147483648, None)
    """
    found = _SIZE.fullmatch(str(text).strip())
    if found is None:
        return None
    return int(float(found[1]) * 1024 ** _STEPS.index((found[2] or unit or " ").lower()))


def least(*numbers: int | None) -> int | None:
    """The least of the numbers that are known."""
    return min((number for number in numbers if number is not None), default=None)
