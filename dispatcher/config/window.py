"""The fields that a site adds to the Running tab of RELION's window.

RELION shows such fields as its environment says (``RELION_QSUB_EXTRA_COUNT`` and the like), and
knows them by their number alone. Which field has which number, ``FIELDS`` in the same environment
tells the hook: a window that was opened before the site changed its fields keeps the old numbers.
A digest of the labels there tells whether other fields have taken their places since.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field
from typing import NamedTuple

from ..errors import ConfigError
from .json_files import strict
from .where import Where
from .window_field import WindowField, as_limit, reading

__all__ = [
    "FIELDS",
    "LABEL",
    "MEANINGS",
    "MOST_FIELDS",
    "FieldNames",
    "Meaning",
    "Window",
    "check_window",
    "field_names",
    "read_field_names",
]

FIELDS = "RELION_DISPATCH_FIELDS"  # the variable with the fields' names; see field_names
LABEL = "RELION_QSUB_EXTRA"  # and a number from 1: the variable with a field's label
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
    "goes_on": Meaning(
        "Goes on by itself:",
        "Yes: after its time limit, or if it lost its node to another job or to a failure, the job "
        "goes on where it was, as your site says. No: it ends. auto: what your site does.",
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


class FieldNames(NamedTuple):
    """What an environment tells of the fields of a window that was started in it.

    Attributes:
        names: of the fields 1, 2 …
        labels: what the window shows before them; None for a field that it does not have.
        foreign: the labels are not those that the names came with.
    """

    names: tuple[str, ...]
    labels: tuple[str | None, ...]
    foreign: bool


def field_names(labels: Mapping[str, str]) -> str:
    """The value of ``FIELDS``: the names, commas between; after a semicolon the labels' digest.

    Args:
        labels: by the names, in order.
    """
    return f"{','.join(labels)};{_digest(labels.values())}" if labels else ""


def read_field_names(environment: Mapping[str, str]) -> FieldNames:
    """What :func:`field_names` has told.

    Where people wrote the names by hand there is no digest, and any labels will do. So they will
    where there are none: that window has no fields, and what was typed is from an earlier one.
    """
    text, _, digest = environment.get(FIELDS, "").partition(";")
    names = tuple(name.strip() for name in text.split(",")) if text.strip() else ()
    labels = tuple(environment.get(f"{LABEL}{number}") for number, _ in enumerate(names, 1))
    other = any(labels) and digest.strip() != _digest(each or "" for each in labels)
    return FieldNames(names, labels, bool(digest and other))


def _digest(labels: Iterable[str]) -> str:
    """Letters other than ASCII count as ?: not every locale and module hands them on."""
    text = "\n".join(re.sub("[^ -~]+", "?", each) for each in labels)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


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
