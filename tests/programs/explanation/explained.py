"""What ``relion-dispatch explain`` printed, by its sections."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["JOB", "Explain", "Explained"]

JOB = "Refine3D/job011"
_TITLES = 13  # columns


class Explained(NamedTuple):
    """Exit status, standard output and standard error."""

    status: int
    text: str
    errors: str

    def __getitem__(self, title: object) -> str:  # type: ignore[override]
        """The section of that title on one line; "" if there is none."""
        found: list[str] = []
        within = False
        for line in self.text.splitlines()[2:]:
            head = line[:_TITLES].strip()
            within = head == title if head else within
            if within:
                found.append(line[_TITLES:])
        return " ".join(found)


Explain = Callable[..., Explained]
