"""The largest number with which something fits, found in few steps."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["largest"]


def largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number from 1 to `most` that fits; 0 if 1 does not.

    What fits with a number must fit with each smaller one.

    >>> largest(lambda number: number**2 <= 50, 1_000_000)
    7
    """
    low, step = 0, 1  # the answer is mostly small, and `most` may be anything
    while low + step <= most and fits(low + step):
        low, step = low + step, 2 * step
    high = min(low + step, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
