"""Tell whether a file beside a job is of the run that RELION has asked for last."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..relion.submission import SUBMISSION

__all__ = ["is_of_this_run"]


def is_of_this_run(folder: Path, name: str) -> bool:
    """Whether RELION has not written the job's submission script since this file was written.

    True also if there is no such script any more. Anybody can give a file a time to come, but not
    to its last change (ctime), which the system sets: a file that came with a project, or that
    somebody laid there, is no newer than that.
    """
    try:
        found = (folder / name).lstat()
    except OSError:
        return False
    with suppress(OSError):
        return min(found.st_mtime, found.st_ctime) >= (folder / SUBMISSION).stat().st_mtime
    return True
