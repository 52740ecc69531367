"""The site.json of a cluster, with a comment for each guess, and what nobody could tell."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from ...config.gpu_vendors import USUAL_VENDOR, VENDORS
from ...config.json_edit import COMMENT
from ...scheduler.surveyed import Surveyed, SurveyedPartition
from .choice import chosen_by_hand, job_parameters
from .shapes import Described, describe

__all__ = ["NewSite", "of_cluster"]

_OF_TYPES = (
    "A guess, because no scheduler tells which partitions are for cryo-EM. A job takes the first "
    "partition in which it fits; those with the smallest cards come first."
)
_LONG = 7 * 24 * 3600  # seconds; what a job asks for where there is no limit
_ACCESS = {"account": "accounts", "qos": "qos"}


class NewSite(NamedTuple):
    """The content of site.json, and what it could not say, whole sentences."""

    content: dict[str, Any]
    unknown: tuple[str, ...]


def of_cluster(name: str, told: Surveyed, types: Container[str]) -> NewSite:
    """The site whose jobs go to the scheduler of that name, and which has these job types."""
    partitions = [each for each in told.partitions if each.nodes]
    described = {each.name: describe(each.nodes) for each in partitions}
    content: dict[str, Any] = {
        COMMENT: [
            f"Written by `relion-dispatch site init` from what {told.title} told.",
            "Look at what the comments call a guess. docs/site.md has every key, and",
            "`relion-dispatch check` finds mistakes.",
            *told.notes,
        ],
        "scheduler": name,
    }
    if told.settings:
        content["schedulers"] = {name: _settings(told)}
    content["partitions"] = {
        each.name: _partition(each, described[each.name]) for each in partitions
    }
    of_types = job_parameters(partitions, described)
    known = {key: each for key, each in of_types.items() if key in types}
    if known:
        content["job_parameters"] = {COMMENT: _OF_TYPES, **known}
    unknown = [*_of_other_types([key for key in of_types if key not in known])]
    return NewSite(content, (*unknown, *_unknown(told, described)))


def _settings(told: Surveyed) -> dict[str, Any]:
    """The scheduler's keys; a dot in a key leads one level down."""
    found: dict[str, Any] = {
        COMMENT: [f"{each.key}: a guess. {each.why}" for each in told.settings]
    }
    for setting in told.settings:
        *above, key = setting.key.split(".")
        level = found
        for step in above:
            level = level.setdefault(step, {})
        level[key] = setting.value
    return found


def _partition(partition: SurveyedPartition, described: Described) -> dict[str, Any]:
    found: dict[str, Any] = dict(described.keys)
    notes = [*described.notes, *partition.notes]
    if partition.seconds:
        found["time"] = _clock(partition.seconds)
    elif short := partition.default_seconds:
        found["time"] = _clock(max(short, _LONG))
        notes.append(
            "time: a guess. There is no limit, but a job that asks for no time has "
            f"{_clock(short)}."
        )
    if described.has_gpus and partition.gpus_per_job is not None:
        found["gpus_per_job"] = partition.gpus_per_job
    for key, of in _ACCESS.items():
        allowed = getattr(partition, of)
        if len(allowed) == 1:
            found[key] = allowed[0]
            notes.append(f"{key}: the only one whose jobs are taken.")
    whose = {key: list(getattr(partition, key)) for key in ("users", "groups")}
    if any(whose.values()):
        found["takes"] = {key: names for key, names in whose.items() if names}
    makers = described.makers - {USUAL_VENDOR.name}
    if len(described.makers) == 1 and makers:
        (maker,) = makers
        found["gpu_option"] = VENDORS[maker].options[0]
    if why := chosen_by_hand(partition, described):
        notes.append(
            f"No job type goes here by itself, if there are others: {why[0].lower()}{why[1:]}"
        )
    return {COMMENT: notes, **found} if notes else found


def _clock(seconds: int) -> str:
    """As site.json has times.

    >>> _clock(172800), _clock(1800)
    ('2-00:00:00', '00:30:00')
    """
    hours, rest = divmod(seconds, 3600)
    days, hours = divmod(hours, 24)
    text = f"{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return f"{days}-{text}" if days else text


def _of_other_types(missing: list[str]) -> Iterator[str]:
    if missing:
        yield (
            f"Where jobs go: dispatch_config.json has no type {', '.join(missing)}. Set "
            '"partition" or "partitions" of its base types.'
        )


def _unknown(told: Surveyed, described: Mapping[str, Described]) -> Iterator[str]:
    yield from told.unknown
    for partition in told.partitions:
        if not partition.nodes:
            yield f"What nodes {partition.name} has: it is left out."
    if names := [name for name, each in described.items() if each.lacks_memory]:
        yield (
            f"How much memory the nodes of {', '.join(names)} have: the scheduler tells no size "
            "that a node may have, and may refuse jobs that ask for memory. Have its admin correct "
            'that, and set "memory" of the partition.'
        )
    for name, each in described.items():
        for cards in each.unknown_cards:
            yield (
                f"How much memory the {cards or 'GPUs'} of {name} have: jobs are planned for the "
                'size in their type (24 GB as shipped) until you set "gpu_memory", as nvidia-smi '
                "shows it."
            )
    if not any(each.has_gpus for each in described.values()):
        yield "Where GPUs are: the scheduler names none, so jobs run on CPUs."
    yield (
        'Which folders jobs need beside the project and the home: list them in "bind" of '
        '"apptainer".'
    )
    yield 'Whether nodes have a local disk for particles: if they have, set "scratch".'
    yield 'How long jobs may take: without "time" of a type, a job asks for its partition\'s.'
