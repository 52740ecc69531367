"""From which others an entry of a file inherits, the base first."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import ConfigError
from .json_files import nearest
from .where import Where

__all__ = ["lineage_of"]


def lineage_of(
    name: str, parents: Mapping[str, str | None], what: str, place: Callable[[str], Where]
) -> tuple[str, ...]:
    """The names from the base to `name`: ``("submit", "gpu", "refine")``.

    `parents` has the parent of each entry, None for a base. `what` is what errors call an entry
    ("job type"), and `place` where the parent of an entry is named.

    Raises:
        ConfigError: a parent does not exist, or entries inherit in a circle.
    """
    names = [name]
    while (parent := parents[names[0]]) is not None:
        if parent not in parents:
            raise ConfigError(
                f'{place(names[0])}: there is no {what} "{parent}"{nearest(parent, list(parents))}'
            )
        if parent in names:
            circle = " → ".join([*reversed(names[: names.index(parent) + 1]), parent][::-1])
            raise ConfigError(f"{place(names[0])}: the {what}s inherit in a circle: {circle}")
        names.insert(0, parent)
    return tuple(names)
