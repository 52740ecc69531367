"""Read the submissions of projects from their records, one after the other.

What this user may not read, and what is no record, is counted.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ..config.scheduler import Scheduler
from ..errors import TemplateError
from ..job_script.amounts import seconds
from ..jobs.last_lines import last_sentence
from ..jobs.record import RECORD, Record, Unreadable, load_record
from ..relion.exit_files import end_of
from ..scheduler.clusters import names_one, where_is
from ..units import read_size
from .causes import REFUSED, cause_of
from .job_row import JobRow, Outcome

__all__ = ["ON_THE_HOST", "Passed", "Source", "read_rows"]

ON_THE_HOST = "on the host"
_ENDED: dict[str | None, Outcome] = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "ABORTED": "aborted",
}
_DAY = 24 * 3600  # seconds
_LONGEST = 10**9  # seconds that a job may have run, by clocks that are right
_MOST_UNITS = 10**6  # of GPUs; more is a mistake

What = Literal["closed projects", "closed jobs", "broken records"]


@dataclass
class Passed:
    """What could not be read: how many of each kind, and a clause on the first of them."""

    numbers: dict[What, int] = field(default_factory=dict)
    first: dict[What, str] = field(default_factory=dict)

    def add(self, what: What, clause: str) -> None:
        """Count one."""
        self.numbers[what] = self.numbers.get(what, 0) + 1
        self.first.setdefault(what, clause)


@dataclass(frozen=True)
class Source:
    """What the reading of records needs of the site: its schedulers, and the causes it knows."""

    schedulers: Mapping[str, Scheduler]
    known: Mapping[str, str]
    _places: dict[tuple[object, ...], tuple[str, ...]] = field(default_factory=dict)

    def where(self, record: Record) -> tuple[str, ...]:
        """The options that lead to the cluster of the record's job; found once for all jobs that
        were submitted alike."""
        token = record.token or "\0"
        words = tuple(word for word in record.submit_command[:-1] if token not in word)
        key = (record.scheduler, record.cluster, words)
        if key not in self._places:
            scheduler = self.schedulers.get(record.scheduler or "")
            self._places[key] = where_is(scheduler, record.cluster, words) if scheduler else ()
        return self._places[key]


def read_rows(
    projects: Iterable[Path], source: Source, passed: Passed, since: float = 0
) -> Iterator[JobRow]:
    """The submissions since then (seconds since 1970) of these projects, in no certain order.

    A job's earlier records (``dispatch.json.1`` …) are submissions as well. Folders of RELION's
    alias links are passed over.
    """
    for project in projects:
        for folder in _job_folders(project, passed):
            for file in _records(folder):
                row = _row(file, project, source, passed, since)
                if row is not None and (row.submitted is None or row.submitted >= since):
                    yield row


def _job_folders(project: Path, passed: Passed) -> Iterator[str]:
    for kind in _folders(str(project), "closed projects", passed):
        yield from _folders(kind, "closed jobs", passed, begins="job")


def _folders(path: str, what: What, passed: Passed, begins: str = "") -> Collection[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(
                each.path
                for each in entries
                if each.name.startswith(begins)
                if not each.name.startswith(".") and each.is_dir(follow_symlinks=False)
            )
    except OSError as error:
        if isinstance(error, PermissionError) or what == "closed projects":
            passed.add(what, f"{path} ({error.strerror})")
        return ()


def _records(folder: str) -> Iterator[str]:
    """The job's records: the last one, and the earlier ones, which are numbered without gaps."""
    file = f"{folder}/{RECORD}"
    yield file
    number = 1
    while os.path.lexists(f"{file}.{number}"):
        yield f"{file}.{number}"
        number += 1


def _row(file: str, project: Path, source: Source, passed: Passed, since: float) -> JobRow | None:
    try:
        if since and os.lstat(file).st_mtime < since - _DAY:  # the hook wrote it later than it says
            return None
        record = load_record(Path(file), with_watcher=False)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        passed.add("closed jobs", f"{file} ({error.strerror})")
        return None
    except Unreadable as error:
        closed = isinstance(error.__cause__, PermissionError)
        passed.add("closed jobs" if closed else "broken records", str(error))
        return None
    except OSError:
        return None
    try:
        return _of_record(record, Path(file), project, source)
    except ValueError as error:
        passed.add("broken records", f"{file} is not a record of relion-dispatch ({error})")
        return None


def _of_record(record: Record, file: Path, project: Path, source: Source) -> JobRow:
    merged, image, run = record.merged, record.image, record.run
    parameters = _object(merged.get("job_parameters"))
    nodes = _number(merged.get("nodes")) or 1
    outcome, sentence = _end(record, file)
    gpus = (record.ngpu or 0) * nodes
    started = _time(run.started) if run else None
    where = source.where(record)
    return JobRow(
        project=str(project),
        job="/".join(file.parts[-3:-1]),
        user=record.user or "unknown",
        type=_text(merged.get("job_type")) or "unknown",
        version=f"{image.name} {image.version}" if image else ON_THE_HOST,
        partition=_text(parameters.get("partition")),
        scheduler=record.scheduler or "",
        where=where,
        job_id=record.job_id if names_one(where) else None,
        submitted=_time(record.dispatched),
        started=started,
        seconds=_between(started, _time(run.ended) if run else None),
        gpus=0 if outcome == "refused" else min(gpus, _MOST_UNITS),
        asked_gpus=min(gpus, _MOST_UNITS),
        asked_seconds=_asked_seconds(_scalar(parameters.get("time"))),
        asked_bytes=_asked_bytes(_scalar(parameters.get("mem"))),
        mps=merged.get("mps") is True,
        outcome=outcome,
        cause=_cause(outcome, sentence, source.known),
        means=tuple(_means(merged)),
    )


def _end(record: Record, file: Path) -> tuple[Outcome, str | None]:
    """How the submission ended, and the sentence that says why."""
    if record.refused is not None:
        return "refused", record.refused
    if record.run:
        ending = _object(record.merged.get("run")).get("ending")
        return _ENDED.get(_text(ending), "unknown"), record.run.reason
    if file.name != RECORD:  # what lies in the folder now is of a later run
        return "unknown", None
    end = end_of(file.parent)
    return _ENDED.get(end, "unknown"), last_sentence(file.parent / "run.err") if end else None


def _cause(outcome: Outcome, sentence: str | None, known: Mapping[str, str]) -> str | None:
    if outcome == "refused":
        return REFUSED
    return cause_of(sentence, known) if outcome == "failed" else None


def _means(merged: Mapping[str, Any]) -> Iterator[int]:
    """The mean utilisation of each GPU of which there are samples, in percent."""
    watched = _object(merged.get("run")).get("gpus")
    for gpu in watched if isinstance(watched, list) else ():
        mean = _number(_object(gpu).get("mean_utilisation_percent"))
        if _number(_object(gpu).get("samples")) and mean is not None and mean <= 100:
            yield mean


@lru_cache(1024)
def _asked_seconds(time: int | float | str | None) -> int | None:
    if time is None or isinstance(time, bool):
        return None
    try:
        return seconds(time) or None
    except TemplateError:
        return None


@lru_cache(1024)
def _asked_bytes(memory: int | float | str | None) -> int | None:
    """Bytes; None for a number without a unit, as only the scheduler knows what it means."""
    size = read_size(memory) if isinstance(memory, str) else None
    return int(size.number * size.unit) if size and size.unit > 1 else None


def _between(started: float | None, ended: float | None) -> float | None:
    if started is None or ended is None or not 0 <= ended - started < _LONGEST:
        return None
    return ended - started


def _time(text: str | None) -> float | None:
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(text or "").timestamp()
    return None


def _object(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _scalar(found: object) -> int | float | str | None:
    return found if isinstance(found, (int, float, str)) else None


def _number(found: object) -> int | None:
    return found if type(found) is int and found >= 0 else None
