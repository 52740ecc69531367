"""RELION's own list of a project's jobs: ``default_pipeline.star``.

RELION 3.1 writes a job's status as a number, 4.0 and newer as a word (``src/pipeliner.cpp``,
``src/pipeline_jobs.h``).
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..host.shared_files import opened_input
from .star import read_blocks
from .version import major_version

__all__ = [
    "PIPELINE",
    "Process",
    "older_than_pipeline",
    "pipeline_major",
    "project_folder",
    "read_processes",
]

PAUSE = 0.1  # seconds until a list that RELION may be writing is read again
_NUMBERS = {"0": "Running", "1": "Scheduled", "2": "Succeeded", "3": "Failed", "4": "Aborted"}


class Process(NamedTuple):
    """A job as RELION knows it.

    Attributes:
        name: ``Refine3D/job019``, without trailing slash.
        status: "Running", "Scheduled", "Succeeded", "Failed" or "Aborted".
    """

    name: str
    status: str


def read_processes(project: Path) -> tuple[Process, ...]:
    """All jobs of the project, in RELION's order.

    RELION replaces the file: if that happens during the reading, the file is read again.

    Raises:
        InputError: there is no pipeline, or it is damaged.
    """
    problem, before = None, None
    for _ in range(10):
        now = _identity(project / PIPELINE)
        if problem is None or now != before:  # what has not changed need not be read again
            try:
                return _read(project)
            except InputError as error:
                problem, before = error, now
                if not now:
                    raise
        time.sleep(PAUSE)
    assert problem
    raise problem


def _identity(path: Path) -> tuple[int, ...]:
    """What changes if another file takes the place of this one, or is written; () without one."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(project: Path) -> tuple[Process, ...]:
    path = project / PIPELINE
    for block in read_blocks(path, only="pipeline_processes"):
        if block.name == "pipeline_processes":
            names = block.column("_rlnPipeLineProcessName")
            words = block.column("_rlnPipeLineProcessStatusLabel")
            status = words or [
                _NUMBERS.get(number, number) for number in block.column("_rlnPipeLineProcessStatus")
            ]
            if len(names) != len(status):
                raise InputError(
                    f"{path}, line {block.line}: data_pipeline_processes does not give each job a "
                    "name and a status, so the file is damaged; start RELION in the project once."
                )
            return tuple(
                Process(name.rstrip("/"), each) for name, each in zip(names, status, strict=True)
            )
    return ()


PIPELINE = "default_pipeline.star"


_HEADER = re.compile(rb"^# version (\d+)", re.MULTILINE)


def older_than_pipeline(project: Path, version: str, image: str = "relion") -> str | None:
    """A warning if the RELION that last wrote the project's pipeline is of a newer major version
    than `version`; None if not, or if nobody can tell. Reads the file's first lines.

    RELION 3.1 stops at a pipeline that RELION 5 has written, whereas a newer one reads an older
    pipeline and writes it again in its own form. Images whose name is not RELION's are never older.
    """
    chosen = major_version(version)
    written = pipeline_major(project) if chosen and image.startswith("relion") else None
    if written is None or chosen is None or chosen >= written:
        return None
    return (
        f"{image} {version} is older than the RELION {written} that wrote {project / PIPELINE}, so "
        f"{version} may not be able to read that file: use a version {written}, or go on in a copy "
        f"of the project from before RELION {written}."
    )


def pipeline_major(project: Path) -> int | None:
    """The major version of the RELION that last wrote ``default_pipeline.star``; None if there is
    no such file, or its first lines do not tell.

    RELION 5 writes "# version 50001" above each table. 3.1 and 4.0 both write 30001, and differ in
    how they name a job's type (``pipeliner.cpp``, 3.1.3 to 5.0.1): by number, by label. A pipeline
    without jobs does not tell these two apart.
    """
    path = project / PIPELINE
    try:
        with opened_input(path) as stream:
            header = _HEADER.search(stream.read(200))
        if header is None:
            return None
        form = int(header[1]) // 10000
        if form != 3:
            return form
        for block in read_blocks(path, rows=1):
            if block.name == "pipeline_processes":
                return 4 if "_rlnPipeLineProcessTypeLabel" in block.labels else 3
    except (OSError, InputError):  # a pipeline that cannot be read is RELION's to complain about
        return None
    return 3


def project_folder() -> Path:
    """The folder that this command was called in, which must be a RELION project.

    Raises:
        InputError: it is none.
    """
    project = Path.cwd()
    if not (project / PIPELINE).is_file():
        raise InputError(
            f"{project} is not a RELION project (there is no {PIPELINE} in it): go to the "
            "project's folder, and type the command there."
        )
    return project
