"""Numbers as the sentences of decisions and refusals print them."""

from __future__ import annotations

__all__ = ["count", "gigabytes"]


def count(number: int, noun: str) -> str:
    """'1 class', '3 classes', '2 GPUs'."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def gigabytes(size: int) -> str:
    """Bytes for people: 32212254720 -> '32.2 GB' (10^9 bytes)."""
    return f"{size / 1e9:.1f} GB"
