"""The runs of a job, from the files that its script writes for each (run_names.py).

A run that was lost has written nothing: its lease, or else its claim, says what is known of it,
until the next run, or ``relion-dispatch resume``, has written its record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..ranks.learned import Learned
from . import entries
from .claim import read_claim
from .run_file import GOES_ON, KEPT_TO, MOST, number_of, read_lease, read_run
from .run_names import newest_number

__all__ = ["Run", "moment_of", "read_runs", "run_recorded", "seconds_of", "utc"]

T = TypeVar("T")


class Run(NamedTuple):
    """One execution of the job's script; None for what is not known.

    Attributes:
        number: 1 for the first.
        started, ended: UTC, as in ``2026-11-28T05:11:14+00:00``.
        host: the machine of the job script.
        job_id: the scheduler's id of the job.
        ending: SUCCESS, FAILURE or ABORTED; GOES_ON if the job went on after it. None as long as
            nobody has written how it ended.
        why: what ended a run after which the job went on: time_limit, preemption, lost_node,
            gpu_memory or host_memory.
        reason: the sentence on why the run ended.
        from_iteration, to_iteration: of a refinement: the one that it began with, and the last one
            that it wrote.
        ranks: how many it ran with.
        learned: what the next runs keep to, as a memory was full.
        gpus: the GPUs that were watched, with the keys of docs/provenance.md.
        renewed: when its lease was renewed last, in seconds since 1970 by the clock of the file
            system; None without a lease.
    """

    number: int
    started: str | None = None
    ended: str | None = None
    host: str | None = None
    job_id: str | None = None
    ending: str | None = None
    why: str | None = None
    reason: str | None = None
    from_iteration: int | None = None
    to_iteration: int | None = None
    ranks: int | None = None
    learned: Learned = Learned()
    gpus: tuple[Mapping[str, Any], ...] = ()
    renewed: float | None = None

    @property
    def went_on(self) -> bool:
        """Whether the job went on after it, or is to."""
        return self.ending == GOES_ON

    def as_json(self) -> dict[str, Any]:
        """The run as ``status --json`` has it."""
        known = self._asdict()
        return {"run": known.pop("number")} | {
            key: value for key, value in known.items() if key not in ("gpus", "renewed", "learned")
        }


def run_recorded(run: Mapping[str, Any], number: int = 1) -> Run:
    """A run as its file, or a record of version 0.1.0, describes it.

    Raises:
        ValueError: an entry has another form than its writer gives it.
    """
    return Run(
        number=entries.number(run, "run") or number,
        started=entries.text(run, "started"),
        ended=entries.text(run, "ended"),
        host=entries.text(run, "host"),
        job_id=entries.job_id(run, "scheduler_job_id"),
        ending=entries.text(run, "ending"),
        why=entries.text(run, "why"),
        reason=entries.text(run, "reason"),
        from_iteration=entries.number(run, "from_iteration", MOST),
        to_iteration=entries.number(run, "to_iteration", MOST),
        ranks=entries.number(run, "ranks", MOST),
        learned=Learned(*(entries.number(run, key, MOST) for key in KEPT_TO)),
        gpus=tuple(each for each in _list(run.get("gpus")) if isinstance(each, dict)),
    )


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def read_runs(
    folder: Path, token: str, last: Run | None, goes_on: bool
) -> tuple[tuple[Run, ...], list[str]]:
    """The runs, the first one first; and a sentence for each file that is not what it should be.

    `last` is the last one, once the job has ended. Of a job that does not go on, and of one that
    has ended with its first run, no further file is looked at.
    """
    if not goes_on or (last and last.number == 1):
        return ((last,) if last else ()), []
    newest = last.number - 1 if last else newest_number(folder, token)
    problems: list[str] = []
    found = list(_found(folder, token, newest, problems))
    return tuple(_completed([*found, *([last] if last else [])])), problems


def _found(folder: Path, token: str, newest: int, problems: list[str]) -> Iterator[Run]:
    def read(reader: Callable[[Path, str, int], T | None], number: int) -> T | None:
        try:
            return reader(folder, token, number)
        except ValueError as error:
            problems.append(str(error))
            return None

    for number in range(1, newest + 1):
        run = None
        if recorded := read(read_run, number):
            run = run_recorded(recorded, number)
        elif lease := read(read_lease, number):
            run = _of_lease(number, lease.values, lease.renewed)
        # A lease is empty until the script has written it, and stays so if it is lost then.
        if (run is None or run.job_id is None) and (claim := read(read_claim, number)):
            run = run or Run(number, started=utc(claim.made), host=claim.host)
            run = run._replace(job_id=claim.job_id)
        if run:
            yield run


def _of_lease(number: int, values: Mapping[str, str], renewed: float) -> Run:
    return Run(
        number=number,
        started=values.get("started") or None,
        host=values.get("host") or None,
        job_id=values.get("scheduler_job_id") or None,
        from_iteration=number_of(values.get("from_iteration")),
        ranks=number_of(values.get("ranks")),
        learned=Learned(*(number_of(values.get(key)) for key in KEPT_TO)),
        renewed=renewed,
    )


def _completed(runs: Sequence[Run]) -> Iterator[Run]:
    """The runs; one that could not write what it reached has reached what the next began with."""
    for run, following in pairwise(runs):
        reached = run.to_iteration if run.to_iteration is not None else following.from_iteration
        yield run._replace(to_iteration=reached)
    yield from runs[-1:]


def seconds_of(run: Run) -> float | None:
    """How long a run took, or has taken up to the last renewal of its lease; None if it is not
    known, or by clocks that differ."""
    begin = moment_of(run.started)
    end = moment_of(run.ended) if run.ended else run.renewed
    return end - begin if begin is not None and end is not None and end >= begin else None


def moment_of(text: str | None) -> float | None:
    """A time of a record in seconds since 1970; None for what is no time."""
    from datetime import datetime  # no hook asks

    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(text or "").timestamp()
    return None


def utc(moment: float) -> str | None:
    """Seconds since 1970 as in a record; None for what no clock shows."""
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None
