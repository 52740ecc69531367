"""Read a job's record: what is known of one submission, from the files of several writers.

merged_record.py says which files these are. Whoever shares the project can write them. So each is a
plain file of a bounded size, and each of its entries that is used has the form that its writer
gives it: a token is a part of files' names, an id an argument of the scheduler's commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..host.json_text import json_object
from ..host.shared_files import read_file
from . import entries
from .hook_process import HookProcess
from .merged_record import merged_record
from .runs import Run
from .this_run import is_of_this_run

__all__ = ["LONGEST", "RECORD", "Record", "RecordedImage", "Unreadable", "load_record",
           "look_for_record", "read_record"]  # fmt: skip

RECORD = "dispatch.json"
LONGEST = 8 << 20  # bytes of a record


class RecordedImage(NamedTuple):
    """The image that a job used; `sha256` is None if the record lacks it."""

    name: str
    version: str
    variant: str
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is recorded of one submission; None for what is not known.

    Attributes:
        token: tells the submission from all others; "" in a record that has none.
        job_id: the scheduler's id of the job.
        cluster: the job's cluster, if the scheduler has named it.
        submit_command: the words that submitted the job.
        scheduler: a name in the site's schedulers.
        hook: the process that submits, or has submitted, the job.
        user: who dispatched the job.
        project: the project's folder at that time.
        dispatched: when (UTC).
        image: None for a job on the host.
        nproc, ngpu: ranks, and GPUs per node.
        refused: why the job was not submitted.
        has_watcher: whether somebody has submitted the job's watcher, or found that this fails.
        run: how the last run went; None until the job has ended.
        runs: the runs of the job that are known, the first one first.
        goes_on_after: what the job survives: time_limit, preemption, lost_node, gpu_memory,
            host_memory; None for a job that does not go on.
        jobs_in_line: the ids of the job and of the next runs queued behind it, in their order.
        watcher_script, job_script: the digests of the watcher's script, and of the job's.
        own_template: whether the job's script, of the site's own template, is without what tells
            RELION the end.
        seal: shows that this user's own hook wrote the record (seal.py).
        problems: a sentence for each file of the other writers that is not what it should be, and
            of which nothing was taken.
        merged: the whole record, with the keys of docs/provenance.md.
        written: what the record's own file holds of it.
    """

    token: str
    job_id: str | None
    cluster: str | None
    submit_command: tuple[str, ...]
    scheduler: str | None
    hook: HookProcess
    user: str | None
    project: Path | None
    dispatched: str | None
    image: RecordedImage | None
    nproc: int | None
    ngpu: int | None
    refused: str | None
    has_watcher: bool
    run: Run | None
    runs: tuple[Run, ...]
    goes_on_after: tuple[str, ...] | None
    jobs_in_line: tuple[str, ...]
    watcher_script: str | None
    job_script: str | None
    own_template: bool
    seal: str | None
    problems: tuple[str, ...]
    merged: Mapping[str, Any]
    written: Mapping[str, Any]

    @property
    def newest(self) -> int:
        """The number of the newest run that has begun; 1 if none is known."""
        return self.runs[-1].number if self.runs else 1

    @property
    def next_number(self) -> int:
        """The number of the run that may begin next."""
        return self.newest + 1 if self.runs and self.goes_on_after is not None else 1


class Unreadable(ValueError):
    """A record that cannot be read, or is none; the text is a clause that names the file."""

    @classmethod
    def because(cls, file: Path, error: OSError | ValueError) -> Unreadable:
        """The clause on a record, given what went wrong when it was read."""
        if isinstance(error, OSError):
            return cls(f"{file} cannot be read ({error.strerror})")
        return cls(f"{file} is not a record of relion-dispatch ({error})")


def read_record(folder: Path, *, of_any_run: bool = False) -> Record | None:
    """The record of the job's current submission.

    None if there is none, if it cannot be read, or if RELION has written the job's submission
    script since. In that last case the record is an earlier run's; `of_any_run` takes it as well.
    """
    found = look_for_record(folder, of_any_run=of_any_run)
    return found if isinstance(found, Record) else None


def look_for_record(folder: Path, *, of_any_run: bool = False) -> Record | Unreadable | None:
    """The same, or what is wrong with the record that is there."""
    try:
        record = load_record(folder / RECORD)
    except FileNotFoundError:
        return None
    except Unreadable as error:
        return error
    return record if of_any_run or is_of_this_run(folder, RECORD) else None


def load_record(file: Path, *, with_watcher: bool = True) -> Record:
    """Read a record, given its ``dispatch.json`` or one of the earlier ``dispatch.json.N``.

    Who reads many, and does not need the note on the watcher, spares a file of each.

    Raises:
        FileNotFoundError: there is no such file.
        Unreadable: the file cannot be read, or does not hold a record.
    """
    try:
        return _record(json_object(read_file(file, LONGEST)), file.parent, with_watcher)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Unreadable.because(file, error) from error


def _record(written: dict[str, Any], folder: Path, with_watcher: bool) -> Record:
    """The record as a value.

    Raises:
        ValueError: an entry has another form than its writer gives it.
    """
    goes_on = entries.object_of(written, "goes_on")
    merged, runs, problems = merged_record(written, folder, with_watcher, goes_on is not None)
    image, run = entries.object_of(merged, "image"), entries.object_of(merged, "run")
    entries.object_of(merged, "watcher")
    return Record(
        token=entries.token(merged, "token") or "",
        job_id=entries.job_id(merged, "job_id"),
        cluster=entries.cluster(merged, "cluster"),
        submit_command=entries.texts(written, "submit_command") or (),
        scheduler=entries.text(merged, "scheduler"),
        hook=HookProcess.recorded(merged),
        user=entries.text(merged, "user"),
        project=entries.path(merged, "project"),
        dispatched=entries.text(merged, "dispatched"),
        image=None if image is None else _image(image),
        nproc=entries.number(merged, "nproc"),
        ngpu=entries.number(merged, "ngpu"),
        refused=entries.text(merged, "refused"),
        has_watcher="watcher" in merged,
        run=runs[-1] if run is not None else None,
        runs=runs,
        goes_on_after=None if goes_on is None else entries.texts(goes_on, "after") or (),
        jobs_in_line=entries.texts(merged, "jobs_in_line") or (),
        watcher_script=entries.text(written, "watcher_script"),
        job_script=entries.text(written, "job_script_sha256"),
        own_template=written.get("own_template") is True,
        seal=entries.text(written, "seal"),
        problems=problems,
        merged=merged,
        written=written,
    )


def _image(image: Mapping[str, Any]) -> RecordedImage:
    name, version, variant = (
        entries.text(image, key) or "" for key in ("name", "version", "variant")
    )
    return RecordedImage(name, version, variant, entries.text(image, "sha256"))
