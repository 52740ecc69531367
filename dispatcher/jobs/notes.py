"""Notes beside a job that are made once, so that their writers need not change the record.

``JOB/.dispatch_watcher.TOKEN`` is made by who submits the watcher: the hook, ``relion-dispatch
status`` after a hook that was killed, or ``resume``. The first line is the watcher's job id, or
``-``; the second, if there is one, says why there is no watcher. ``JOB/.dispatch_id.TOKEN`` is made
by ``status``: the job's id in the queue, if the hook was killed before it knew the id, and in a
second line the job's cluster, if the queue tells it. ``JOB/.dispatch_id.TOKEN.N`` is the same of
the job that ``resume`` has submitted for run N. ``JOB/.dispatch_line.TOKEN`` is made by the hook,
or ``resume``, with each of the next runs that it queues: the ids of the job and of these, a line
each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..host.atomic_files import write_atomically
from ..host.shared_files import read_file
from . import entries
from .folder_lock import folder_locked
from .run_names import job_id_file

__all__ = ["line_file", "read_job_id", "read_line", "read_watcher", "watcher_file", "write_job_id",
           "write_line", "write_watcher"]  # fmt: skip

_LONGEST = 1 << 16  # bytes of a note


def watcher_file(folder: Path, token: str) -> Path:
    """The place of the note on the watcher."""
    return folder / f".dispatch_watcher.{token}"


def line_file(folder: Path, token: str) -> Path:
    """The place of the note on the job and the next runs that wait behind it."""
    return folder / f".dispatch_line.{token}"


def write_line(folder: Path, token: str, job_ids: Sequence[str]) -> None:
    """Note the ids of the job and of the next runs behind it, in place of what was noted before.

    Raises:
        WriteError: the folder cannot be written.
    """
    write_atomically(line_file(folder, token), "".join(f"{each}\n" for each in job_ids))


def read_line(folder: Path, token: str) -> tuple[str, ...]:
    """These ids; none without a note.

    Raises:
        ValueError: the note is not what it should be; the text says so.
    """
    file = line_file(folder, token)
    lines = _lines(file)
    with entries.not_used(file):
        return tuple(filter(None, (entries.job_id({"job id": each}, "job id") for each in lines)))


def write_watcher(folder: Path, token: str, job_id: str | None, warning: str | None = None) -> None:
    """Note the watcher, unless another process was quicker.

    Raises:
        WriteError: the folder cannot be written.
    """
    lines = [job_id or "-", *([" ".join(warning.split())] if warning else [])]
    _write_once(watcher_file(folder, token), lines)


def write_job_id(folder: Path, token: str, job_id: str, cluster: str = "", number: int = 1) -> None:
    """Note the id and cluster ("" for not known) of the job that is run `number`, unless another
    process was quicker.

    Raises:
        WriteError: the folder cannot be written.
    """
    _write_once(job_id_file(folder, token, number), [job_id, *([cluster] if cluster else [])])


def read_watcher(folder: Path, token: str) -> dict[str, str | None] | None:
    """The record's ``watcher``: its job id and its warning, if any; None without a note.

    Raises:
        ValueError: the note is not what it should be; the text says so.
    """
    lines = _lines(watcher_file(folder, token))
    if not lines:
        return None
    watcher: dict[str, str | None] = {"job_id": None if lines[0] == "-" else lines[0]}
    return {**watcher, "warning": lines[1]} if len(lines) > 1 else watcher


def read_job_id(folder: Path, token: str, number: int = 1) -> tuple[str, str | None] | None:
    """The id of the job that is run `number`, and its cluster if that is known; None without a
    note.

    Raises:
        ValueError: the note is not what it should be; the text says so.
    """
    file = job_id_file(folder, token, number)
    lines = _lines(file)
    if not lines:
        return None
    with entries.not_used(file):
        return lines[0], entries.cluster({"cluster": next(iter(lines[1:]), None)}, "cluster")


def _write_once(file: Path, lines: list[str]) -> None:
    with folder_locked(file.parent):
        if not file.exists():
            write_atomically(file, "\n".join(lines) + "\n")


def _lines(file: Path) -> list[str]:
    """The lines of a note, the first of which is an id or ``-``; none if there is no note."""
    with suppress(FileNotFoundError), entries.not_used(file):
        text = read_file(file, _LONGEST).decode(errors="surrogateescape")
        lines = text.rstrip("\n").split("\n") if text else []
        if lines and lines[0] != "-":
            entries.job_id({"job id": lines[0]}, "job id")
        return lines
    return []
