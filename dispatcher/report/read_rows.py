"""Read the submissions of projects from their records, one after the other, and each once.

What this user may not read, what is no record, and what is a copy, is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..jobs.record import RECORD, Record, Unreadable, load_record
from ..relion.exit_files import end_of
from .job_folders import Passed, job_folders
from .job_row import JobRow
from .record_row import Source, row_of

__all__ = ["read_rows"]

_DAY = 24 * 3600  # seconds


def read_rows(
    projects: Sequence[Path], source: Source, passed: Passed, since: float = 0
) -> Iterator[JobRow]:
    """The submissions of these projects, in no certain order, each once: of a project and its copy,
    those of the project.

    A job's earlier records (``dispatch.json.1`` …) are submissions as well. Jobs that have ended
    before `since` (seconds since 1970) may be left out.
    """
    covered = {str(project) for project in projects}
    seen: set[int] = set()
    copies: list[tuple[int, JobRow, str]] = []
    for project in projects:
        for folder in job_folders(project, passed):
            if since and _ended_before(folder, since - _DAY):
                continue
            for file in _records(folder):
                record = _record(file, passed)
                if record is None:
                    continue
                row = _row(record, file, project, source, passed)
                if row is None:
                    continue
                key = _key(record)
                if str(record.project) in covered and not _is_at_home(record, project, row):
                    copies.append((key, row, file))  # if the original is there, it counts
                elif key in seen:
                    passed.add("copies", file)
                else:
                    seen.add(key)
                    yield row
    for key, row, file in copies:
        if key in seen:
            passed.add("copies", file)
        else:
            seen.add(key)
            yield row


def _is_at_home(record: Record, project: Path, row: JobRow) -> bool:
    """Whether the record lies where it was written."""
    return str(record.project) == str(project) and record.merged.get("job") in (None, row.job)


def _key(record: Record) -> int:
    """The same for one submission, wherever its record lies."""
    if record.token or record.job_id:
        return hash((record.token, record.scheduler, record.job_id))
    return hash((record.user, record.dispatched, str(record.merged.get("job"))))


def _ended_before(folder: str, moment: float) -> bool:
    """Whether nothing came into the folder since, and an exit file tells that the job has ended."""
    try:
        times = (Path(folder).stat().st_mtime, os.lstat(f"{folder}/{RECORD}").st_mtime)
        if max(times) >= moment:
            return False
    except OSError:
        return False
    return end_of(Path(folder)) is not None


def _records(folder: str) -> Iterator[str]:
    """The job's records: the last one, and the earlier ones, which are numbered without gaps."""
    file = f"{folder}/{RECORD}"
    yield file
    number = 1
    while os.path.lexists(f"{file}.{number}"):
        yield f"{file}.{number}"
        number += 1


def _record(file: str, passed: Passed) -> Record | None:
    try:
        return load_record(Path(file), with_watcher=False)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        passed.add("closed jobs", f"{file} ({error.strerror})")
    except Unreadable as error:
        closed = isinstance(error.__cause__, PermissionError)
        passed.add("closed jobs" if closed else "broken records", str(error))
    except OSError:
        return None
    return None


def _row(record: Record, file: str, project: Path, source: Source, passed: Passed) -> JobRow | None:
    try:
        return row_of(record, Path(file), project, source)
    except ValueError as error:
        passed.add("broken records", f"{file} is not a record of relion-dispatch ({error})")
        return None
