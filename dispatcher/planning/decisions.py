"""What was decided for a job and what was passed over, as facts: for the record, and for people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from ..config.configuration import Configuration
from ..config.type_conditions import conditions_of, in_words
from ..ranks.more_ranks import MoreRanks
from ..reason import topic_of
from ..units import bytes_of
from .other_types import OtherType, other_types
from .pipeliners_window import as_matched
from .placed_job import PassedOver, PlacedJob
from .sources import Source, sources
from .unplaced_job import UnplacedJob

__all__ = ["Decisions", "NodeFacts", "decisions", "decisions_if_possible"]


class NodeFacts(NamedTuple):
    """The nodes that the job was planned for; None for what nobody has told. Sizes in bytes.

    Attributes:
        name: in sentences.
        is_this_machine: there are no others.
        gpu_memory: of each GPU, as it was counted with.
    """

    name: str
    cores: int | None
    memory: int | None
    gpus: int | None
    gpu_memory: int | None
    is_this_machine: bool = False


class Decisions(NamedTuple):
    """The facts behind the plan's reasons.

    Attributes:
        takes: which jobs the job's type takes.
        other_types: the job types of the same program that the job is not of.
        more_ranks: what stands in the way of the next fuller layout.
        node: the nodes.
        passed_over: the partitions that were tried before the chosen one.
        not_tried: those of the job that come after the chosen one.
        not_of_the_job: all others of the site.
        sources: who says what the job asks for.
        image: why this image, a clause.
    """

    takes: str = ""
    other_types: tuple[OtherType, ...] = ()
    more_ranks: MoreRanks | None = None
    node: NodeFacts | None = None
    passed_over: tuple[PassedOver, ...] = ()
    not_tried: tuple[str, ...] = ()
    not_of_the_job: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    image: str | None = None

    def as_json(self, reasons: Iterable[str]) -> dict[str, Any]:
        """The record's ``decisions``, with the topic of each of the plan's `reasons`."""
        return {
            "takes": self.takes,
            "other_types": [each._asdict() for each in self.other_types],
            "more_ranks": self.more_ranks and self.more_ranks.as_json(),
            "node": self.node and self.node._asdict(),
            "passed_over": [each._asdict() for each in self.passed_over],
            "not_tried": list(self.not_tried),
            "not_of_the_job": list(self.not_of_the_job),
            "sources": [each._asdict() for each in self.sources],
            "image": self.image,
            "topics": [topic_of(each) for each in reasons],
        }


def decisions_if_possible(
    job: UnplacedJob, placed: PlacedJob, configuration: Configuration
) -> Decisions | None:
    """The facts; None if a mistake of this program keeps them back, as no job needs them to run."""
    with suppress(Exception):
        found = decisions(job, placed, configuration)
        json.dumps(found.as_json(()))  # as the record will have them
        return found
    return None


def decisions(job: UnplacedJob, placed: PlacedJob, configuration: Configuration) -> Decisions:
    """The facts of a job that has its place."""
    submission, fit, shape = job.request.submission, placed.settled.fit, placed.node.shape
    main = submission.main
    seen = as_matched(main, job.request.options) if submission.is_pipeliners else main
    types, name = configuration.job_types.types, job.job_type.name
    tried = {*(each.partition for each in placed.passed_over), placed.node.partition}
    others = [each for each in placed.not_tried if each not in tried]
    of_job = {*tried, *others}
    gpu_memory = (fit and fit.gpu_bytes) or bytes_of(shape.gpu_memory, "partition")
    return Decisions(
        takes=in_words(conditions_of(types[name])),
        other_types=tuple(other_types(types, name, seen, job.request.label)),
        more_ranks=fit.more if fit else None,
        node=NodeFacts(
            placed.node.name,
            shape.cores,
            bytes_of(shape.memory, "partition"),
            shape.gpus,
            gpu_memory if placed.settled.ngpu else None,
            placed.node.is_this_machine,
        ),
        passed_over=placed.passed_over,
        not_tried=tuple(dict.fromkeys(others)),
        not_of_the_job=tuple(each for each in configuration.site.partitions if each not in of_job),
        sources=sources(job, placed, configuration),
        image=placed.image.why if placed.image else None,
    )
