"""The fields that a site adds to the Running tab of RELION's window.

RELION shows such fields as its environment says (``RELION_QSUB_EXTRA_COUNT`` and the like), and
knows them by their number alone. Which field has which number, ``FIELDS`` in the same environment
tells the hook: a window that was opened before the site changed its fields keeps the old numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import NamedTuple

from ..errors import ConfigError
from .json_files import strict
from .where import Where
from .window_field import WindowField, as_limit, reading

__all__ = ["FIELDS", "MEANINGS", "MOST_FIELDS", "Meaning", "Window", "check_window"]

FIELDS = "RELION_DISPATCH_FIELDS"  # the variable with the fields' names, commas between, in order
MOST_FIELDS = 10  # our submission template has lines for so many


class Meaning(NamedTuple):
    """What RELION's window shows of a field that the site does not describe otherwise."""

    label: str
    help: str


MEANINGS: Mapping[str, Meaning] = {
    "time": Meaning(
        "Time limit:",
        "How long the job may run: 12h, 3d, 12:00:00 (hours, minutes, seconds) or 2-12 (days and "
        "hours). auto: the time that your site gives such jobs.",
    ),
    "gpus": Meaning(
        "GPUs per node:",
        "How many GPUs the job gets on each node: 2, or a type (a100), or both (a100:2). auto: as "
        "many as your site gives such jobs.",
    ),
    "memory": Meaning(
        "Memory per node (GiB):",
        "How much memory the job asks for on each node, in GiB: 64. auto: as much as it needs.",
    ),
    "account": Meaning(
        "Account:", "Who pays for the job. auto: the account that your site or you have set."
    ),
    "partition": Meaning(
        "Partition:",
        "Where the job runs. auto: on the first partition of your site's that has room for it.",
    ),
    "ranks_per_gpu": Meaning(
        "MPI ranks per GPU:",
        "The most MPI ranks that share a GPU. auto: as many as your site allows and as fit into "
        "the memory of the GPU.",
    ),
    "image": Meaning(
        "Version of RELION:",
        "The version that runs this job alone. auto: that of this project.",
    ),
    "options": Meaning(
        "Further queue options:",
        "What else the queue is asked for, as its submit command takes it. auto: nothing.",
    ),
}


@strict
class Window:
    """What the site adds to RELION's window.

    Attributes:
        fields: by their names, in order. Those of ``MEANINGS`` the dispatcher understands; any
            other is the site's own, for its templates. None takes a shipped one away.
    """

    fields: dict[str, WindowField | None] = field(default_factory=dict)

    @property
    def offered(self) -> Mapping[str, WindowField]:
        """The fields that there are, by name, in order."""
        return {name: each for name, each in self.fields.items() if each is not None}

    def label(self, name: str) -> str:
        """What stands before the field of that name, which the site may no longer offer."""
        own = self.offered.get(name, WindowField()).label
        return own or (MEANINGS[name].label if name in MEANINGS else f"{name}:")

    def name(self, name: str) -> str:
        """Its label as sentences have it."""
        return self.label(name).rstrip(": ")

    def help(self, name: str) -> str:
        """What is said of the field of that name."""
        own = self.offered.get(name, WindowField()).help
        return own or (MEANINGS[name].help if name in MEANINGS else "auto: nothing.")


def check_window(window: Window, where: Where) -> None:
    """Check the fields at `where`.

    Raises:
        ConfigError: there are too many; a name, text or bound is not possible; or a default is not
            among what is allowed.
    """
    place = where.at("fields")
    if len(window.offered) > MOST_FIELDS:
        raise ConfigError(
            f"{place}: expected at most {MOST_FIELDS} fields, found {len(window.offered)}"
        )
    for name, each in window.offered.items():
        if not re.fullmatch("[a-z][a-z0-9_]*", name):
            raise ConfigError(
                f"{place}: expected small letters, digits and _ in a field's name, found {name!r}"
            )
        _check_field(name, each, place.at(name))


def _check_field(name: str, each: WindowField, place: Where) -> None:
    for key, held in asdict(each).items():
        for text in held if isinstance(held, list) else [held]:
            if isinstance(text, str) and not text.isprintable():
                raise ConfigError(f"{place.at(key)}: expected one line of text, found {text!r}")
    for key in ("least", "most"):
        if (bound := getattr(each, key)) is not None and as_limit(name, bound) is None:
            raise ConfigError(
                f"{place.at(key)}: expected {_BOUNDS.get(name, 'no bound for such a field')}, "
                f"found {bound!r}"
            )
    for key, texts in (("allowed", each.allowed), ("default", [each.default])):
        for text in texts:
            if problem := reading(name, text, each).problem:
                raise ConfigError(f"{place.at(key)}: {problem}")


_BOUNDS = {
    "time": 'a time like "48:00:00" or "3d"',
    "gpus": "a number of GPUs",
    "memory": "a number of GiB",
    "ranks_per_gpu": "a number of ranks",
}
