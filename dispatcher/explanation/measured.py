"""What a job's GPUs held and did, as its script measured it, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..jobs import entries
from ..units import count, gibibytes

__all__ = ["measured"]

_MOST = 2**63


def measured(run: Mapping[str, Any]) -> str:
    """The sentence on the record's ``run``; "" if nothing was measured.

    Raises:
        ValueError: the entries have another form than a job script gives them.
    """
    gpus = entries.objects_of(run, "gpus") or []
    peaks = [entries.number(gpu, "peak_memory_bytes", _MOST) for gpu in gpus]
    busy = [entries.number(gpu, "mean_utilisation_percent", 100) for gpu in gpus]
    known = [peak for peak in peaks if peak is not None]
    if not known:
        return ""
    used = [each for each in busy if each is not None]
    mean = f", {sum(used) // len(used)} % busy on average" if used else ""
    return f"Measured on {count(len(known), 'GPU')}: at most {gibibytes(max(known))} used{mean}."
