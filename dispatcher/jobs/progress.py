"""How far is a refinement: its iteration, minutes for each, and when it ends?

RELION writes ``run_it012_optimiser.star`` at the end of each iteration, or of each tenth
(``--grad_write_iter``), and ``run_ct12_it013_…`` once a job is continued. The file says how many
iterations were asked for, and whether the job is an auto-refinement, which ends when it has
converged (``write`` in ml_optimiser.cpp, 3.0 to 5.0). The times are those of the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from ..errors import InputError
from ..relion.star import read_blocks
from ..relion.submission import SUBMISSION
from ..units import whole_number

__all__ = ["Progress", "iteration_of_run", "iteration_reached", "newest_optimiser",
           "progress_of_run"]  # fmt: skip

_ITERATION = re.compile(r"run(?:_ct[0-9]+)?_it([0-9]{3,9})_.*\.star")
_OPTIMISER = "_optimiser.star"
_LAST = 5  # steps between files that tell how long an iteration takes
_LONGEST = 1 << 20  # bytes of an optimiser's file, which has a few kilobytes


class Progress(NamedTuple):
    """How far a run is; None for what is not known.

    Attributes:
        iteration: the last one of which this run has written a file.
        iterations: how many there will be; None for an auto-refinement as well.
        seconds: that one takes, the median of the last ones.
        end: when the last one will have ended, in seconds since 1970.
    """

    iteration: int | None = None
    iterations: int | None = None
    seconds: float | None = None
    end: float | None = None


class _Written(NamedTuple):
    """The file of an iteration, and when it was written (seconds since 1970)."""

    iteration: int
    time: float
    name: str


def iteration_reached(folder: Path) -> int | None:
    """The last iteration of which RELION's refinement has written a file, in whichever run."""
    try:
        with os.scandir(folder) as entries:
            found = [_ITERATION.fullmatch(entry.name) for entry in entries]
    except OSError:
        return None
    return max((int(each[1]) for each in found if each), default=None)


def iteration_of_run(folder: Path) -> int | None:
    """The last iteration of which the run that RELION has asked for last has written a file."""
    try:
        last = max(_written(folder), key=_by_time, default=None)
    except OSError:
        return None
    return last and last.iteration


def newest_optimiser(folder: Path) -> str | None:
    """The name of the file from which RELION's user can continue a refinement."""
    try:
        written = [each for each in _written(folder) if each.name.endswith(_OPTIMISER)]
    except OSError:
        return None
    return max(written, key=_by_time).name if written else None


def progress_of_run(folder: Path, now: float, starts: Sequence[float] = ()) -> Progress:
    """How far the run is that RELION has asked for last; `now` in seconds since 1970.

    Files of an earlier run in the same folder do not count: RELION wrote the submission script of
    this one later. An estimate needs two files. `starts` are the times at which a job that goes on
    has started: what was between two of its runs is no part of an iteration.
    """
    try:
        written = list(_written(folder))
    except OSError:
        return Progress()
    if not written:
        return Progress()
    last = max(written, key=_by_time)
    # A scheduler may have started the same script anew: later iterations are of its first start.
    steps = sorted(
        each
        for each in written
        if each.name.endswith(_OPTIMISER) and each.iteration <= last.iteration
    )
    seconds = _seconds_each(steps, starts)
    iterations = _iterations(folder / steps[-1].name) if steps else None
    if iterations is None or iterations < last.iteration:
        return Progress(last.iteration, None, seconds)
    return Progress(last.iteration, iterations, seconds, _end(steps, iterations, seconds, now))


def _written(folder: Path) -> Iterator[_Written]:
    """The files of iterations that this run has written."""
    begin = 0.0
    if os.path.lexists(folder / SUBMISSION):
        begin = (folder / SUBMISSION).stat().st_mtime
    with os.scandir(folder) as entries:
        for entry in entries:
            if found := _ITERATION.fullmatch(entry.name):
                time = entry.stat(follow_symlinks=False).st_mtime
                if time >= begin:
                    yield _Written(int(found[1]), time, entry.name)


def _by_time(written: _Written) -> tuple[float, int]:
    return written.time, written.iteration


def _seconds_each(steps: Sequence[_Written], starts: Sequence[float]) -> float | None:
    """How long an iteration takes, from the times of the last files."""
    each = [
        (after.time - before.time) / (after.iteration - before.iteration)
        for before, after in pairwise(steps)
        if after.iteration > before.iteration and after.time > before.time
        if not any(before.time < start <= after.time for start in starts)
    ]
    return median(each[-_LAST:]) if each else None


def _iterations(optimiser: Path) -> int | None:
    """How many iterations were asked for; None for an auto-refinement."""
    try:
        for block in read_blocks(optimiser, only="optimiser_general", at_most=_LONGEST):
            if block.name == "optimiser_general":
                is_auto = whole_number(block.first("_rlnDoAutoRefine") or "0")
                number = whole_number(block.first("_rlnNumberOfIterations") or "")
                return number if is_auto == 0 and number and number > 0 else None
    except InputError:  # RELION may be writing it
        pass
    return None


def _end(
    steps: Sequence[_Written], iterations: int, seconds: float | None, now: float
) -> float | None:
    """When the last iteration will have ended; None once it has."""
    last = steps[-1]
    left = iterations - last.iteration
    if seconds is None or left < 1:
        return None
    # Until the next file the iterations may take longer than those before.
    until_next_file = last.iteration - steps[-2].iteration
    return max(last.time + left * seconds, now + max(0, left - until_next_file) * seconds)
