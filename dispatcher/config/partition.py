"""A partition: the shape of its nodes, what may run there, and what its jobs ask for."""

from __future__ import annotations

from dataclasses import field, fields, replace

from ..units import bytes_of
from .json_files import strict

__all__ = ["NodeKind", "Partition", "Scratch", "Takes", "kinds"]


@strict
class Scratch:
    """Where programs that keep a copy of their input beside the GPUs find room for it.

    Attributes:
        folder: on the node, as shell text: variables are expanded there; "" for none.
        size: what a job asks for of it, bytes or "400G"; None for nothing.
        resource: the scheduler's resource of it (`resources` of a partition).
        option: a further directive that asks for it.
    """

    folder: str = ""
    size: int | str | None = None
    resource: str | None = None
    option: str | None = None

    def asked(self, text: str | None) -> list[str]:
        """`resource` or `option` with the size in it; nothing if it is not set."""
        size = bytes_of(self.size, "scratch")
        whole = "" if size is None else str(-(-size // 2**30))
        written = "" if self.size is None else str(self.size)
        return [text.replace("{size}", written).replace("{gigabytes}", whole)] if text else []


@strict
class Takes:
    """Which jobs a partition takes: the least and the most, None for no bound.

    Attributes:
        box: of a refinement whose box is known, pixels.
        ranks: MPI ranks, in all.
        gpus: of each node.
        nodes: the nodes of one job.
        users, groups: whose jobs, by their names; empty for everybody's.
    """

    box: tuple[int | None, int | None] | None = None
    ranks: tuple[int | None, int | None] | None = None
    gpus: tuple[int | None, int | None] | None = None
    nodes: tuple[int | None, int | None] | None = None
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


@strict
class NodeKind:
    """One kind of nodes; values that are unset set no limit.

    Attributes:
        cores: per node.
        memory: host memory per node, bytes or "250G".
        gpus: per node; 0 means that GPU jobs run on the CPU there.
        gpu_memory: per GPU, bytes or "32G".
        ranks_per_gpu: the most that may share one.
        gpu_type: what the scheduler calls these GPUs.
        constraint: the feature by which the scheduler finds these nodes.
        resources: what else a job here asks the scheduler for, in the scheduler's words.
        scheduler_options: further directives of jobs here.
    """

    cores: int | None = None
    memory: int | str | None = None
    gpus: int | None = None
    gpu_memory: int | str | None = None
    ranks_per_gpu: int | None = None
    gpu_type: str | None = None
    constraint: str | None = None
    resources: list[str] = field(default_factory=list)
    scheduler_options: list[str] = field(default_factory=list)


@strict
class Partition(NodeKind):
    """A partition: its nodes, and what its jobs are.

    Attributes:
        time: the most that a job may run, and what it asks for if its type asks for no time.
        gpus_per_job: the most GPUs of a node that one job may have.
        account, qos: for jobs for which nobody else names one.
        mps: in place of the site's; None for the site's.
        gpu_option: in place of the site's, for GPUs of another maker.
        scratch: in place of the site's.
        takes: which jobs it takes.
        nodes: its kinds of nodes, in the order of preference, where they are not all alike; what a
            kind leaves out, the partition says.
    """

    time: str | None = None
    gpus_per_job: int | None = None
    account: str | None = None
    qos: str | None = None
    mps: bool | None = None
    gpu_option: str | None = None
    scratch: Scratch | None = None
    takes: Takes = field(default_factory=Takes)
    nodes: list[NodeKind] = field(default_factory=list)


_ADDED = ("resources", "scheduler_options")
_ASKED_BY = ("gpu_type", "constraint", *_ADDED)  # by these a scheduler gives one kind of nodes


def kinds(partition: Partition, *, types_are_asked_for: bool = True) -> list[Partition]:
    """The partition as it is on each of its kinds of nodes; a list of one if they are all alike.

    The scheduler chooses nodes by cores, memory and the number of GPUs, but not by the GPUs'
    memory: a kind that nothing asks for is planned for the smallest GPUs of the partition. Some
    schedulers cannot be asked for a type of GPUs.

    >>> [each.gpus for each in kinds(Partition(nodes=[NodeKind(gpus=4), NodeKind(gpus=8)]))]
    [4, 8]
    """
    found = [_as_on(partition, kind) for kind in partition.nodes] or [partition]
    sizes = [each.gpu_memory for each in found if each.gpus != 0]
    if None in sizes:
        return found
    smallest = min(sizes, key=lambda size: bytes_of(size, "partition") or 0, default=None)
    asked_by = _ASKED_BY if types_are_asked_for else _ASKED_BY[1:]
    return [
        each
        if each.gpus == 0 or any(getattr(own, key) for key in asked_by)
        else replace(each, gpu_memory=smallest)
        for own, each in zip(partition.nodes or [partition], found, strict=True)
    ]


def _as_on(partition: Partition, kind: NodeKind) -> Partition:
    own = {each.name: getattr(kind, each.name) for each in fields(kind)}
    own = {key: value for key, value in own.items() if value is not None}
    added = {key: [*getattr(partition, key), *own[key]] for key in _ADDED}
    return replace(partition, nodes=[], **{**own, **added})
