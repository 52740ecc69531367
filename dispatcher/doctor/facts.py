"""The facts that a probe has written, and those that this side adds: names with their values."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["Facts", "read_facts"]


class Facts:
    """Values by name; a name may have several, and most have one.

    job_template/doctor/probe.sh says what each is; sizes are in KiB, times in seconds since 1970.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self.add(name, value)

    def add(self, name: str, value: object) -> None:
        """Add a value; a number of seconds is kept with hundredths."""
        text = f"{value:.2f}" if isinstance(value, float) else str(value)
        self._values.setdefault(name, []).append(text.strip())

    def update(self, others: Facts) -> None:
        """Add all values of others."""
        for name, values in others._values.items():
            for value in values:
                self.add(name, value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> str:
        """The first value; "" if there is none."""
        return self._values.get(name, [""])[0]

    def each(self, name: str) -> list[str]:
        """All values that are not empty."""
        return [value for value in self._values.get(name, []) if value]

    def number(self, name: str) -> float | None:
        """The first value as a number; None if it is none (as "unlimited" is)."""
        return _number(self[name])

    def seconds(self, name: str) -> float | None:
        """How long something took whose beginning and end are the value's two words."""
        times = [_number(word) for word in self[name].split()]
        if len(times) != 2 or times[0] is None or times[1] is None:
            return None
        return times[1] - times[0]

    def as_json(self) -> dict[str, str | list[str]]:
        """Names with their value, or with a list of them."""
        return {name: each[0] if len(each) == 1 else each for name, each in self._values.items()}


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d*)?", text) else None


def read_facts(text: str) -> Facts:
    """Read what a probe has written so far: its last line may be cut short.

    >>> read_facts("host=n1\\ncores=4\\nmem").as_json()
    {'host': 'n1', 'cores': '4'}
    """
    whole, _, _ = text.rpartition("\n")
    lines = [line.partition("=") for line in whole.splitlines()]
    return Facts((name, value) for name, equals, value in lines if equals)
