"""Read a job's record, merged from the files of its writers.

The hook writes ``dispatch.json``, the job script ``dispatch.run.TOKEN``, whoever submits the
watcher ``.dispatch_watcher.TOKEN``, and ``status`` after a hook that was killed
``.dispatch_id.TOKEN``. docs/provenance.md has the table. Up to 0.1.0 all of it stood in
``dispatch.json``; such records can still be read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..relion.submission import SUBMISSION
from .claim import claiming_job
from .hook_process import HookProcess
from .notes import read_job_id, read_watcher
from .run_file import read_run

__all__ = ["RECORD", "JobRun", "Record", "RecordedImage", "load_record", "read_record"]

RECORD = "dispatch.json"


class RecordedImage(NamedTuple):
    """The image that a job used; `sha256` is None if the record lacks it."""

    name: str
    version: str
    variant: str
    sha256: str | None


class JobRun(NamedTuple):
    """How the job's script ran, as it told at its end; None for what is not known.

    Attributes:
        started, ended: UTC, as in ``2026-11-28T05:11:14+00:00``.
        host: the machine of the job script.
        reason: the sentence on why the job did not succeed.
    """

    started: str | None
    ended: str | None
    host: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is recorded of one submission; None for what is not known.

    Attributes:
        token: tells the submission from all others; "" in a record that has none.
        job_id: the scheduler's id of the job.
        scheduler: a name in the site's schedulers.
        hook: the process that submits, or has submitted, the job.
        user: who dispatched the job.
        project: the project's folder at that time.
        dispatched: when (UTC).
        image: None for a job on the host.
        nproc, ngpu: ranks, and GPUs per node.
        refused: why the job was not submitted.
        has_watcher: whether somebody has submitted the job's watcher, or found that this fails.
        run: how the run went; None until it has ended.
        merged: the whole record, with the keys of docs/provenance.md.
        written: what the record's own file holds of it.
    """

    token: str
    job_id: str | None
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
    run: JobRun | None
    merged: Mapping[str, Any]
    written: Mapping[str, Any]


def read_record(folder: Path, *, of_any_run: bool = False) -> Record | None:
    """The record of the job's current submission.

    None if there is none, if it cannot be read, or if RELION has written the job's submission
    script since. In that last case the record is an earlier run's; `of_any_run` takes it as well.
    """
    file = folder / RECORD
    try:
        written = file.stat().st_mtime
        record = load_record(file)
        submitted = (folder / SUBMISSION).stat().st_mtime
    except FileNotFoundError:
        if not file.exists():
            return None
        submitted = written
    except (OSError, ValueError):
        return None
    return record if of_any_run or written >= submitted else None


def load_record(file: Path) -> Record:
    """Read a record, given its ``dispatch.json`` or one of the earlier ``dispatch.json.N``.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file does not hold a record.
    """
    found = json.loads(file.read_bytes())
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return _record(found, file.parent)


def _record(written: dict[str, Any], folder: Path) -> Record:
    """The record as a value.

    Raises:
        ValueError: an entry has another form than its writer gives it.
    """
    try:
        merged = _merged(written, folder)
        image, run = merged.get("image"), merged.get("run")
        return Record(
            token=str(merged.get("token", "")),
            job_id=_text(merged, "job_id"),
            scheduler=_text(merged, "scheduler"),
            hook=HookProcess(merged.get("host"), merged.get("pid")),
            user=_text(merged, "user"),
            project=Path(merged["project"]) if "project" in merged else None,
            dispatched=_text(merged, "dispatched"),
            image=None if image is None else _image(image),
            nproc=merged.get("nproc"),
            ngpu=merged.get("ngpu"),
            refused=_text(merged, "refused"),
            has_watcher="watcher" in merged,
            run=None if run is None else JobRun(*(_text(run, key) for key in JobRun._fields)),
            merged=merged,
            written=written,
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _merged(written: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The hook's part of the record with what the other writers know."""
    merged = dict(written)
    token = _text(written, "token")
    if not token:
        return merged
    if "watcher" not in merged and (watcher := read_watcher(folder, token)):
        merged["watcher"] = watcher
    if "run" not in merged and (run := read_run(folder, token)):
        merged["run"] = run
    if merged.get("job_id") is None:  # the hook was killed before it knew the id
        known = (
            (merged.get("run") or {}).get("scheduler_job_id")
            or claiming_job(folder, token)
            or read_job_id(folder, token)
        )
        merged |= {"job_id": known} if known else {}
    return merged


def _image(image: Mapping[str, Any]) -> RecordedImage:
    name, version, variant = (str(image.get(key, "")) for key in ("name", "version", "variant"))
    return RecordedImage(name, version, variant, _text(image, "sha256"))


def _text(entries: Mapping[str, Any], key: str) -> str | None:
    value = entries.get(key)
    return None if value is None else str(value)
