"""What earlier runs of a job have learned by filling a memory, from all records in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..ranks.learned import Learned
from .record import RECORD, Unreadable, load_record
from .runs import Run

__all__ = ["learned_in"]

_MOST = 1000  # submissions of a job that are looked at


def learned_in(folder: Path) -> Learned:
    """What the runs of the job in `folder` say, of this submission and of earlier ones.

    A record that cannot be read says nothing.
    """
    return Learned.of_all(each.learned for each in _runs(folder))


def _runs(folder: Path) -> Iterator[Run]:
    for number in range(_MOST):
        file = folder / (f"{RECORD}.{number}" if number else RECORD)
        try:
            yield from load_record(file, with_watcher=False).runs
        except FileNotFoundError:
            if number:
                return
        except Unreadable:
            continue
