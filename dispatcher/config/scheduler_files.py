"""What the files say of each scheduler: the shipped ones, the site's own, and site.json.

``config/schedulers/NAME.json`` is read first; ``schedulers/NAME.json`` of the site's folder, and
then ``schedulers.NAME`` of site.json, change it key by key. A scheduler that inherits says
only in what it differs from another.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError
from .inheritance import lineage_of
from .json_files import merge, read_json
from .places import files_in, has_dialect, scheduler_folders
from .where import Where

__all__ = ["SchedulerFiles", "read_scheduler_files"]

# A scheduler that uses another's templates, as sites wrote it before there was "inherits", is of
# the same kind: these hold for it as well.
_OF_A_KIND = (
    "launch", "launch_options", "overriding", "refused_options", "cluster_options", "trial_command",
    "partitions_command", "partition_options", "account_options", "qos_options",
    "account_variables", "names", "own_options", "gpu_options", "mpi_types_command", "mpi_option",
    "waits", "wait_command", "wait_pattern",
)  # fmt: skip
# Lists of variables. A scheduler that does not say which they are has those of all shipped ones.
_VARIABLES = ("overriding", "of_a_job", "of_the_cluster")


class _Layer(NamedTuple):
    """What one file says of a scheduler."""

    where: Where
    content: dict[str, Any]


class SchedulerFiles(NamedTuple):
    """The layers of each scheduler; the last one has priority.

    `variables` are for a scheduler that does not say which are kept from its commands: by key, all
    that the shipped schedulers name.
    """

    layers: Mapping[str, Sequence[_Layer]]
    variables: Mapping[str, Sequence[str]]

    def merged(self) -> dict[str, Any]:
        """The schedulers' keys by name; those that inherit come after all others.

        Raises:
            ConfigError: a scheduler inherits from none that there is, or in a circle.
        """
        own = {name: _laid_upon(layers) for name, layers in self.layers.items()}
        parents = {name: _parent(content) for name, content in own.items()}
        found: dict[str, Any] = {}
        lineages = [
            lineage_of(name, parents, "scheduler", lambda each: self.place(each, ["inherits"]))
            for name in own
        ]
        for lineage in sorted(lineages, key=len):
            name = lineage[-1]
            alone = {"directives": name, "dialect": name if has_dialect(name) else None}
            base = found[lineage[-2]] if len(lineage) > 1 else alone
            found[name] = merge({**base, "dialect": _dialect(base, own[name])}, own[name])
        return {name: self._completed(content, found) for name, content in found.items()}

    def _completed(self, content: Any, schedulers: Mapping[str, Any]) -> Any:
        if not isinstance(content, dict):
            return content
        kind = schedulers.get(str(content.get("directives")))
        of_kind = kind if isinstance(kind, dict) else {}
        kept = {key: of_kind[key] for key in _OF_A_KIND if key in of_kind}
        return {**self.variables, **kept, **content}

    def place(self, name: str, key: Sequence[str] = ()) -> Where:
        """The file that decides a key of a scheduler: one of its own, or of its parents'."""
        layer = max(self._layers_for(name), key=lambda layer: _steps(layer.content, key))
        return reduce(Where.at, key, layer.where)

    def _layers_for(self, name: str) -> Iterator[_Layer]:
        """The scheduler's layers and those of its parents; the first one has priority."""
        lineage: list[str] = []
        parent: str | None = name
        while parent is not None and parent in self.layers and parent not in lineage:
            lineage.append(parent)
            yield from reversed(self.layers[parent])
            parent = _parent(_laid_upon(self.layers[parent]))


def read_scheduler_files(in_site_json: Mapping[str, Any], site_json: Path) -> SchedulerFiles:
    """Read the files, and change them by what site.json has under "schedulers".

    Raises:
        ConfigError: a folder or a file cannot be read, or what is said of a scheduler is no object.
    """
    layers: dict[str, list[_Layer]] = {}
    variables: dict[str, list[str]] = {}
    for folder in scheduler_folders():
        for path in files_in(folder, ".json"):
            layers.setdefault(path.stem, []).append(_Layer(Where(path), read_json(path)))
        # The shipped folder comes first.
        variables = variables or {key: _all_of(layers, key) for key in _VARIABLES}
    for name, content in in_site_json.items():
        where = Where(site_json).at("schedulers").at(name)
        if not isinstance(content, dict):
            said = json.dumps(content)[:80]
            raise ConfigError(f"{where}: expected a JSON object {{…}}, found {said}")
        layers.setdefault(name, []).append(_Layer(where, content))
    return SchedulerFiles(layers, variables)


def _all_of(layers: Mapping[str, Sequence[_Layer]], key: str) -> list[str]:
    """The members of a list that each scheduler may have, put together."""
    return [each for layer in chain(*layers.values()) for each in layer.content.get(key, [])]


def _laid_upon(layers: Sequence[_Layer]) -> dict[str, Any]:
    return reduce(merge, (layer.content for layer in layers))


def _parent(content: Mapping[str, Any]) -> str | None:
    parent = content.get("inherits")
    return parent if isinstance(parent, str) else None


def _dialect(base: Mapping[str, Any], own: Mapping[str, Any]) -> Any:
    """The module that reads the answers of a scheduler that names none: the one with the name of
    its folder of templates, else the one of its parent."""
    inherited = base.get("dialect")
    named = own.get("directives", base["directives"])
    return named if inherited is None or has_dialect(str(named)) else inherited


def _steps(content: Any, key: Sequence[str]) -> int:
    """How many steps towards the key are there."""
    if not key or not isinstance(content, dict) or key[0] not in content:
        return 0
    return 1 + _steps(content[key[0]], key[1:])
