"""Make a report's row of a job's record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..config.ends_from_outside import CAUSES
from ..config.scheduler import Scheduler
from ..errors import TemplateError
from ..job_script.amounts import seconds
from ..jobs.last_lines import last_sentence
from ..jobs.record import RECORD, Record
from ..jobs.runs import Run, moment_of, seconds_of
from ..relion.exit_files import end_of, exit_file, wants_abort
from ..scheduler.clusters import names_one, where_is
from ..units import read_size
from .causes import REFUSED, cause_of
from .job_row import EarlierRun, JobRow, Outcome

__all__ = ["ON_THE_HOST", "Source", "row_of"]

ON_THE_HOST = "on the host"
_ENDED: dict[str | None, Outcome] = {
    "SUCCESS": "succeeded",
    "FAILURE": "failed",
    "ABORTED": "aborted",
}
_MOST_UNITS = 10**6  # of GPUs; more is a mistake
_LONGEST_HOST = 64  # characters: HOST_NAME_MAX of Linux


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


def row_of(record: Record, file: Path, project: Path, source: Source) -> JobRow:
    """The row of the submission whose record is that file of the project's.

    Raises:
        ValueError: an entry of the record has a form that its writer does not give it.
    """
    merged, image, runs = record.merged, record.image, record.runs
    run = runs[-1] if runs and not runs[-1].went_on else None
    parameters = _object(merged.get("job_parameters"))
    nodes = _number(merged.get("nodes")) or 1
    outcome, sentence = _end(record, file)
    gpus = (record.ngpu or 0) * nodes
    where = source.where(record)
    commands = str(merged.get("original_commands"))
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
        host=_text(merged.get("host")),
        token=record.token,
        submitted=moment_of(record.dispatched),
        started=moment_of(run.started) if run else None,
        seconds=seconds_of(run) if run else None,
        ended=_ended(record, file, outcome),
        gpus=0 if outcome == "refused" else min(gpus, _MOST_UNITS),
        asked_gpus=min(gpus, _MOST_UNITS),
        asked_seconds=_asked_seconds(_scalar(parameters.get("time"))),
        asked_bytes=_asked_bytes(_scalar(parameters.get("mem"))),
        mps=merged.get("mps") is True,
        outcome=outcome,
        cause=_cause(outcome, sentence, source.known),
        cancelled=outcome == "unknown" and not record.run and _wants_abort(file),
        several_ranks=merged.get("uses_mpi") is True,
        reads_particles="relion_refine" in commands,
        means=tuple(_means(run)) if run else (),
        earlier=tuple(_hours(each) for each in (runs[:-1] if run else runs)),
        noted_runs=tuple(_noted(runs)),
    )


def _hours(run: Run) -> EarlierRun:
    return EarlierRun(moment_of(run.started), seconds_of(run), tuple(_means(run)))


def _noted(runs: Sequence[Run]) -> Iterator[Run]:
    """The runs of a job that went on, without what only the hours need, and without sentences and
    words of which nobody knows what they say."""
    if len(runs) < 2 and not any(run.went_on for run in runs):
        return
    for run in runs:
        went_on = run.went_on or run is not runs[-1]
        yield run._replace(
            why=_why(run) if went_on else None,
            ending=run.ending if run.went_on or run.ending in _ENDED else None,
            host=run.host[:_LONGEST_HOST] if run.host else None,
            reason=None,
            gpus=(),
        )


def _why(run: Run) -> str:
    """What ended a run after which the job went on."""
    if run.why in CAUSES:
        return run.why
    return "another cause" if run.ending else "lost_node"  # a lost run cannot write how it ended


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


def _ended(record: Record, file: Path, outcome: Outcome) -> float | None:
    """When its script noted its end, or somebody told RELION."""
    if record.run:
        return moment_of(record.run.ended)
    if file.name == RECORD and outcome in _ENDED.values() and (end := end_of(file.parent)):
        with suppress(OSError):
            return exit_file(file.parent, end).stat().st_mtime
    return None


def _wants_abort(file: Path) -> bool:
    """Whether the user has asked for the end of the job whose record is that file."""
    return file.name == RECORD and wants_abort(file.parent)


def _cause(outcome: Outcome, sentence: str | None, known: Mapping[str, str]) -> str | None:
    if outcome == "refused":
        return REFUSED
    return cause_of(sentence, known) if outcome == "failed" else None


def _means(run: Run) -> Iterator[int]:
    """The mean utilisation of each GPU of which there are samples, in percent."""
    for gpu in run.gpus:
        mean = _number(gpu.get("mean_utilisation_percent"))
        if _number(gpu.get("samples")) and mean is not None and mean <= 100:
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


def _object(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _scalar(found: object) -> int | float | str | None:
    return found if isinstance(found, (int, float, str)) else None


def _number(found: object) -> int | None:
    return found if type(found) is int and found >= 0 else None
