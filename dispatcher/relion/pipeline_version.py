"""Which RELION wrote a project's pipeline, as far as the file's form tells."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError
from .star import read_blocks

__all__ = [
    "PIPELINE",
    "major_minor",
    "major_version",
    "older_than_pipeline",
    "pipeline_major",
    "project_folder",
]

PIPELINE = "default_pipeline.star"

_HEADER = re.compile(rb"^# version (\d+)", re.MULTILINE)


def older_than_pipeline(project: Path, version: str, image: str = "relion") -> str | None:
    """A warning where `version` is of an older major version than the RELION that last wrote the
    project's pipeline; None where it is not, or cannot be told. Reads the file's first lines.

    RELION 3.1 stops at a pipeline that RELION 5 has written, whereas a newer one reads an older
    pipeline and writes it anew in its own form. Images whose name is not RELION's are never older.
    """
    chosen = major_version(version)
    written = pipeline_major(project) if chosen and image.startswith("relion") else None
    if written is None or chosen is None or chosen >= written:
        return None
    return (
        f"{image} {version} is older than the RELION {written} that wrote {project / PIPELINE}, "
        f"and may not read it: stay with a version {written}, or go on in a copy of the project "
        f"from before RELION {written}."
    )


def major_version(version: str) -> int | None:
    """``5.1.0`` → 5; None where the version does not begin with a number."""
    found = re.match(r"v?(\d+)(?![\w])", version)
    return int(found[1]) if found else None


def pipeline_major(project: Path) -> int | None:
    """The major version of the RELION that last wrote ``default_pipeline.star``; None where there
    is no such file, or its first lines do not tell.

    RELION 5 writes "# version 50001" above each table. 3.1 and 4.0 both write 30001, and differ in
    how they name a job's type (``pipeliner.cpp``, 3.1.3 to 5.0.1): by number, by label. A pipeline
    without jobs does not tell these two apart.
    """
    path = project / PIPELINE
    try:
        with open(path, "rb") as stream:
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


def major_minor(version: str) -> tuple[int, int] | None:
    """'5.0.1-beta' -> (5, 0), '5' -> (5, 0); None for names that start with no number."""
    found = re.match(r"v?(\d+)(?:\.(\d+))?", version)
    return (int(found[1]), int(found[2] or 0)) if found else None


def project_folder() -> Path:
    """The folder that this command was called in, which must be a RELION project.

    Raises:
        InputError: it is none.
    """
    project = Path.cwd()
    if not (project / PIPELINE).is_file():
        raise InputError(
            f"{project} is no RELION project (it has no {PIPELINE}): change to the project's "
            "folder, and type the command there."
        )
    return project
