"""Find out from a project's records which jobs ran with which image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .record import Unreadable, load_record

__all__ = ["History", "ImageUse", "jobs_with", "read_history"]

_RECORD = re.compile(r"dispatch\.json(\.[0-9]+)?")


class ImageUse(NamedTuple):
    """One dispatch of a job; a continued job has several.

    Attributes:
        job: ``Refine3D/job019``.
        name, version, variant: the image's.
        sha256: the image file's, None if it is not known.
        dispatched: when, as in the record (UTC).
    """

    job: str
    name: str
    version: str
    variant: str
    sha256: str | None
    dispatched: str


class History(NamedTuple):
    """All dispatches that used an image, oldest first, and a clause on each unreadable record."""

    runs: tuple[ImageUse, ...]
    unreadable: tuple[str, ...]


def read_history(project: Path) -> History:
    """Read ``JOB/dispatch.json`` of all jobs, and the earlier ones kept as ``dispatch.json.1`` …

    Folders of RELION's alias links are passed over, as are jobs that ran on the host.
    """
    runs, unreadable = [], []
    for path in sorted(project.glob("*/job*/dispatch.json*")):
        if not _RECORD.fullmatch(path.name) or path.parent.is_symlink():
            continue
        try:
            record = load_record(path)
        except FileNotFoundError:  # it has gone meanwhile
            continue
        except Unreadable as error:
            unreadable.append(str(error))
            continue
        if record.image:
            job = f"{path.parent.parent.name}/{path.parent.name}"
            runs.append(ImageUse(job, *record.image, dispatched=record.dispatched or ""))
    return History(tuple(sorted(runs, key=lambda run: run.dispatched)), tuple(unreadable))


def jobs_with(runs: Iterable[ImageUse], name: str, version: str) -> list[str]:
    """The jobs that ran with a version of an image, each once, oldest first."""
    found = (run.job for run in runs if (run.name, run.version) == (name, version))
    return list(dict.fromkeys(found))
