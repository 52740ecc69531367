"""Many numbers in a few: how many, the middle, the quarter points, and the largest."""

from __future__ import annotations

from array import array
from typing import Any

__all__ = ["Spread"]


class Spread:
    """Numbers that are added one by one; eight bytes are kept of each."""

    def __init__(self) -> None:
        self._numbers = array("d")
        self._is_sorted = True

    def add(self, number: float) -> None:
        """Add one."""
        self._numbers.append(number)
        self._is_sorted = False

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def total(self) -> float:
        """Their sum."""
        return sum(self._numbers)

    def at(self, part: float) -> float:
        """The number below which that part of them lies, between neighbours in proportion.

        >>> spread = Spread()
        >>> for number in (4, 1, 3, 2): spread.add(number)
        >>> spread.at(0.5), spread.at(1)
        (2.5, 4.0)
        """
        if not self._is_sorted:
            self._numbers = array("d", sorted(self._numbers))
            self._is_sorted = True
        place = part * (len(self._numbers) - 1)
        low = int(place)
        high = min(low + 1, len(self._numbers) - 1)
        return self._numbers[low] + (self._numbers[high] - self._numbers[low]) * (place - low)

    def as_json(self) -> dict[str, Any]:
        """How many there are, the middle, and 10 and 90 %; the three are null without numbers."""
        parts = {"median": 0.5, "tenth": 0.1, "ninetieth": 0.9, "largest": 1.0}
        known = {
            name: round(self.at(part), 4) if len(self) else None for name, part in parts.items()
        }
        return {"jobs": len(self), **known}
