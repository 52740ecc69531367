"""The note on a job's watcher, ``JOB/.dispatch_watcher.TOKEN``: written once, at its submission.

The hook writes it, or ``relion-dispatch status`` after a hook that was killed. The first line is
the watcher's job id, or ``-``; the second, if there is one, says why there is no watcher.
"""

from __future__ import annotations

from pathlib import Path

from ..host.atomic_files import write_atomically
from .folder_lock import folder_locked

__all__ = ["read_watcher", "watcher_file", "write_watcher"]


def watcher_file(folder: Path, token: str) -> Path:
    """The note's place in its job's folder."""
    return folder / f".dispatch_watcher.{token}"


def write_watcher(folder: Path, token: str, job_id: str | None, warning: str | None = None) -> None:
    """Make the note, unless another process was quicker.

    Raises:
        WriteError: the folder cannot be written.
    """
    lines = [job_id or "-", *([" ".join(warning.split())] if warning else [])]
    with folder_locked(folder):
        if not watcher_file(folder, token).exists():
            write_atomically(watcher_file(folder, token), "\n".join(lines) + "\n")


def read_watcher(folder: Path, token: str) -> dict[str, str | None] | None:
    """The record's ``watcher``: its job id and its warning, if any; None without a note."""
    try:
        lines = (
            watcher_file(folder, token).read_text(encoding="utf-8", errors="replace").splitlines()
        )
    except OSError:
        return None
    if not lines:
        return None
    watcher: dict[str, str | None] = {"job_id": None if lines[0] == "-" else lines[0]}
    return {**watcher, "warning": lines[1]} if len(lines) > 1 else watcher
