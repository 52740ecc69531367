"""Which jobs of a project ran with which image: read from their records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = ["History", "Run", "jobs_with", "read_history"]

_RECORD = re.compile(r"dispatch\.json(\.\d+)?")


class Run(NamedTuple):
    """One dispatch of a job; a continued job has several.

    Attributes:
        job: ``Refine3D/job019``.
        name, version, variant: the image's.
        sha256: the image file's, None where it is not known.
        dispatched: when, as in the record (UTC).
    """

    job: str
    name: str
    version: str
    variant: str
    sha256: str | None
    dispatched: str


class History(NamedTuple):
    """All dispatches that used an image, oldest first, and the records that cannot be read."""

    runs: tuple[Run, ...]
    unreadable: tuple[Path, ...]


def read_history(project: Path) -> History:
    """Read ``JOB/dispatch.json`` of all jobs, and the earlier ones kept as ``dispatch.json.1`` …

    Folders of RELION's alias links are passed over, as are jobs that ran on the host.
    """
    runs, unreadable = [], []
    for path in sorted(project.glob("*/job*/dispatch.json*")):
        if not _RECORD.fullmatch(path.name) or path.parent.is_symlink():
            continue
        try:
            record = json.loads(path.read_bytes())
            image = record["image"]
            if image is None:
                continue
            run = Run(
                job=f"{path.parent.parent.name}/{path.parent.name}",
                name=str(image["name"]),
                version=str(image["version"]),
                variant=str(image["variant"]),
                sha256=image.get("sha256"),
                dispatched=str(record["dispatched"]),
            )
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            unreadable.append(path)
        else:
            runs.append(run)
    return History(tuple(sorted(runs, key=lambda run: run.dispatched)), tuple(unreadable))


def jobs_with(runs: Iterable[Run], name: str, version: str) -> list[str]:
    """The jobs that ran with a version of an image, each once, oldest first."""
    found = (run.job for run in runs if (run.name, run.version) == (name, version))
    return list(dict.fromkeys(found))
