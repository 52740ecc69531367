"""To which partitions do which job types go, in which order?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...scheduler.surveyed import SurveyedPartition
from .shapes import Described

__all__ = ["chosen_by_hand", "job_parameters"]

_SHORT = 4 * 3600  # seconds; a refinement takes hours


def chosen_by_hand(partition: SurveyedPartition, described: Described) -> str:
    """Why no job type goes there by itself, one sentence; "" if types may."""
    if partition.not_by_itself:
        return partition.not_by_itself
    if described.has_parts_alone:
        return "Its GPUs are parts of cards (MIG), of which a process sees one."
    if len(partition.accounts) > 1:
        return f"Its jobs need one of these accounts: {', '.join(partition.accounts)}."
    if len(partition.qos) > 1:
        return f"Its jobs need one of these qualities of service: {', '.join(partition.qos)}."
    if partition.seconds and partition.seconds < _SHORT:
        return f"Its jobs may run for {partition.seconds // 60} minutes only."
    return ""


def job_parameters(
    partitions: Sequence[SurveyedPartition], described: Mapping[str, Described]
) -> dict[str, Any]:
    """Jobs with GPUs go to partitions with GPUs, the smallest cards first; others to those without.

    Partitions whose jobs give way to those of others come last.
    If a cluster has one kind of partitions only, all jobs go there. Partitions that are not for all
    are taken if there are no others.
    """
    gpu = _open([p for p in partitions if described[p.name].has_gpus], described)
    cpu = _open([p for p in partitions if not described[p.name].has_gpus], described)
    of_gpus = [p.name for p in sorted(gpu or cpu, key=lambda p: _rank(p, described, "gpu"))]
    of_cpus = [p.name for p in sorted(cpu or gpu, key=lambda p: _rank(p, described, "cpu"))]
    if not of_cpus:
        return {}
    found = {"submit": {"partitions": of_cpus}, "gpu": {"partitions": of_gpus}}
    if cpu and gpu:
        found["external"] = {"partitions": [*of_cpus, *of_gpus]}
    return found


def _open(
    partitions: Sequence[SurveyedPartition], described: Mapping[str, Described]
) -> list[SurveyedPartition]:
    """Those that types may choose; all if there is none."""
    found = [each for each in partitions if not chosen_by_hand(each, described[each.name])]
    return found or list(partitions)


def _rank(
    partition: SurveyedPartition, described: Mapping[str, Described], word: str
) -> tuple[Any, ...]:
    """The smallest cards first, so that large ones are left to jobs that need them."""
    size = described[partition.name].card_memory
    endless = partition.seconds is None
    return (
        bool(chosen_by_hand(partition, described[partition.name])),
        partition.gives_way,
        size is None,
        size or 0,
        word not in partition.name.lower(),
        not partition.is_default,
        not endless,
        -(partition.seconds or 0),
        partition.name,
    )
