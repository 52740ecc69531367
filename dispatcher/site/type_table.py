"""Which job types are there, on what do they build, and what do they ask for at this site?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config.configuration import Configuration
from ..config.type_conditions import conditions_of, in_words
from ..errors import TemplateError
from ..planning.chosen_scheduler import chosen_scheduler
from ..planning.matched_type import MatchedType, with_lineage

__all__ = ["HEADS", "type_rows", "type_table"]

HEADS = (
    "type", "built on", "ranks", "threads", "GPUs", "memory", "partition", "image", "template",
    "takes",
)  # fmt: skip
_AS_FIT, _WINDOW = "as fit", "window"


def type_table(configuration: Configuration) -> list[dict[str, Any]]:
    """All job types in the order in which they are tried, base types among them, ready for JSON:
    the job_parameters are those of the whole lineage, with what site.json says.

    Raises:
        ConfigError: a type names a scheduler that there is not.
    """
    return [_described(name, configuration) for name in configuration.job_types.types]


def _described(name: str, configuration: Configuration) -> dict[str, Any]:
    matched = with_lineage(name, configuration)
    kind = configuration.job_types.types[name]
    return {
        "name": name,
        "lineage": list(matched.lineage),
        "takes_jobs": kind.matches_jobs,
        "conditions": conditions_of(kind),
        "job_parameters": dict(matched.parameters),
        "scheduler": chosen_scheduler(configuration.site, matched.parameters).name,
        "image": matched.image or None,
        "template": _template(matched),
    }


def _template(matched: MatchedType) -> str | None:
    """None if there is none: base types need none, and of the others `check` says so."""
    try:
        return matched.template
    except TemplateError:
        return None


def type_rows(table: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The table for people: the heads of its columns, and a row for each type."""
    return [HEADS, *map(_row, table)]


def _row(described: Mapping[str, Any]) -> tuple[str, ...]:
    parameters = described["job_parameters"]
    partitions = [parameters.get("partition"), *(parameters.get("partitions") or [])]
    named = list(dict.fromkeys(str(each) for each in partitions if each is not None))
    each = parameters.get("mem_per_rank")
    memory = str(parameters.get("mem") or "-")
    return (
        described["name"],
        " → ".join(described["lineage"][:-1]) or "-",
        _number(parameters, "nproc"),
        _number(parameters, "nthread"),
        _number(parameters, "ngpu", unset="0"),
        f"{memory}, {each} a rank" if each and parameters.get("nproc", 1) is None else memory,
        ", ".join(named) or "-",
        described["image"] or "on the host",
        (described["template"] or "-").removesuffix(".sh.j2"),
        in_words(described["conditions"]) or "(a base)",
    )


def _number(parameters: Mapping[str, Any], key: str, unset: str = _WINDOW) -> str:
    """A limit; null is as many as fit, and one that is not set is what RELION's window says."""
    if key not in parameters:
        return unset
    return _AS_FIT if parameters[key] is None else str(parameters[key])
