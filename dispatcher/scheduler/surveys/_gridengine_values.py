"""Values that ``qconf`` shows, which may differ by host: ``32,[node1=16],[@gpu=8]``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeAlias

__all__ = ["Groups", "Table", "every_value", "groups_in", "offers", "value_on", "words"]

_NONE = ("", "NONE", "INFINITY", "UNDEFINED")
_OWN = re.compile(r",?\s*\[([^=\]]+)=([^\]]*)\]")

Table: TypeAlias = Mapping[str, str]  # what qconf shows of one thing
Groups: TypeAlias = Mapping[str, Collection[str]]  # the hosts of ``@gpu``


def value_on(host: str, value: str, groups: Groups) -> str:
    """The value on a host: its own, else that of a group which has the host, else the queue's.

    >>> value = "NONE,[n1=gpu=4],[@small=gpu=2]"
    >>> [value_on(host, value, {"@small": ["n1", "n2"]}) for host in ("n1", "n2", "n3")]
    ['gpu=4', 'gpu=2', 'NONE']
    """
    own: dict[str, str] = dict(_OWN.findall(value))
    if host in own:
        return own[host]
    of_groups = (each for name, each in own.items() if host in groups.get(name, ()))
    return next(of_groups, _plain(value))


def every_value(value: str) -> list[str]:
    """The queue's value, and those of single hosts and groups."""
    return [_plain(value), *(each for _, each in _OWN.findall(value))]


def groups_in(value: str) -> set[str]:
    """The groups of hosts that have a value of their own."""
    return {name for name, _ in _OWN.findall(value) if name.startswith("@")}


def _plain(value: str) -> str:
    return _OWN.sub("", value).strip()


def words(value: str) -> list[str]:
    """The words of a list, of the value that holds where no host has its own."""
    value = _plain(value)
    return [] if value in _NONE else re.split(r"[\s,]+", value)


def offers(value: str) -> dict[str, str]:
    """Pairs, such as what a host or queue offers: ``slots=32,gpu=4(0 1 2 3),ram=250G``."""
    pairs = (pair.partition("=") for pair in value.split(","))
    return {name.strip(): each.strip() for name, found, each in pairs if found}
