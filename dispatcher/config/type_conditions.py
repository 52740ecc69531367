"""Which jobs does a type take, in words?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .job_types import JobType

__all__ = ["conditions_of", "in_words"]

_CONDITIONS = ("match_command", "match_parameter", "nomatch_parameter", "match_label")


def conditions_of(kind: JobType) -> dict[str, list[str]]:
    """The type's conditions by their keys, those that it has; none of a base."""
    if not kind.matches_jobs:
        return {}
    return {key: getattr(kind, key) for key in _CONDITIONS if getattr(kind, key)}


def in_words(conditions: Mapping[str, list[str]]) -> str:
    """The conditions as `relion_refine --grad; without --o`; "" for those of a base."""
    return "; ".join(_in_words(conditions))


def _in_words(conditions: Mapping[str, list[str]]) -> Iterator[str]:
    programs = conditions.get("match_command", [])
    given = "".join(f" --{name}" for name in conditions.get("match_parameter", []))
    if programs or given:
        yield f"{' | '.join(programs) or 'any program'}{given}"
    if without := conditions.get("nomatch_parameter"):
        yield "without " + " ".join(f"--{name}" for name in without)
    if labels := conditions.get("match_label"):
        yield f"label {' | '.join(labels)}"
