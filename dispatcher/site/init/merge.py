"""What of a new site.json does one that is there lack, and what does it have otherwise?

What an admin has described stays: nodes that are described get no second description, and nothing
is added beside it that says where jobs go, or whose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from ...config.json_edit import COMMENT, without_comments
from ...config.partition import NodeKind

__all__ = ["add_missing_keys", "differences"]

_OF_NODES = {each.name for each in fields(NodeKind)}  # or else "nodes" has them, for each kind
_MEASURES = {"cores", "memory", "gpus", "gpu_memory", "gpus_per_job", "time", "nodes"}
_ASKED_FOR = {"names", "memory_per", "gpus_per"}  # how jobs ask a scheduler for memory and GPUs
_WHERE = {"partition", "partitions"}


def add_missing_keys(content: dict[str, Any], new: Mapping[str, Any], *above: str) -> Iterator[str]:
    """Add what `content`, the object below the keys `above`, lacks; what was added, with dots."""
    stays = {key for key in new if _stays(key, content, above)}
    for key, value in new.items():
        if key == COMMENT or key in stays:
            continue
        if key not in content:
            content[key] = value
            yield ".".join([*above, key])
        elif isinstance(value, dict) and isinstance(content[key], dict):
            yield from add_missing_keys(content[key], value, *above, key)


def _stays(key: str, content: Mapping[str, Any], above: tuple[str, ...]) -> bool:
    """Whether this key of an object is left alone, because the object says as much otherwise."""
    said = content.keys() - {COMMENT}
    match above:
        case () if key == "job_parameters":
            types = [each for each in content.get(key, {}).values() if isinstance(each, dict)]
            return any(_WHERE & each.keys() for each in types)
        case ("partitions", _):
            twice = "nodes" in said if key in _OF_NODES else key == "nodes" and _OF_NODES & said
            return bool(twice or (said and key not in _MEASURES))
        case ("schedulers", _):
            return key in _ASKED_FOR and "names" in said
    return False


def differences(
    there: Mapping[str, Any], new: Mapping[str, Any], *above: str
) -> Iterator[tuple[str, Any, Any]]:
    """Each key of `new` that `there` lacks (None) or has otherwise: dotted key, there, new."""
    for key, value in without_comments(dict(new)).items():
        mine = _said(key, there, above)
        if isinstance(value, dict) and isinstance(mine, dict):
            yield from differences(mine, value, *above, key)
        elif mine != value:
            yield ".".join([*above, key]), mine, value


def _said(key: str, there: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    """What the object says of the key, by that key or by those that stand in its place."""
    if key in there:
        return there[key]
    match above, key:
        case ("job_parameters", _), "partitions" if there.get("partition"):
            return [there["partition"]]
        case ("partitions", _), "nodes":
            return {each: there[each] for each in there if each in _OF_NODES} or None
        case ("partitions", _), _ if key in _OF_NODES:
            return there.get("nodes")
    return None
