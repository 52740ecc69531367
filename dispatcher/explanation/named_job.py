"""Which job does a user mean? By its name, its folder, its alias, or its submission script."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..jobs.project_jobs import find_job
from ..jobs.record import RECORD
from ..relion.pipeline import PIPELINE
from ..relion.submission import SUBMISSION

__all__ = ["NamedJob", "named_job"]

_NAME = re.compile(r"[^/]+/job[0-9]{3,9}")
_GIVE = "give the job's name as in RELION (Refine3D/job019), its folder, or its submission script."


class NamedJob(NamedTuple):
    """A job by its name; `script` is its submission script, whether or not it is there."""

    name: str
    project: Path
    in_pipeline: bool
    script: Path

    @property
    def folder(self) -> Path:
        """The job's folder."""
        return self.project / self.name


def named_job(named: str) -> NamedJob:
    """The job, from anywhere in its project, or outside by its path.

    Raises:
        InputError: there is no such job.
    """
    path = Path(named or ".")
    if not os.path.lexists(path):
        project = _project_of(Path.cwd())
        if project is None:
            raise InputError(
                f"There is no {named}, and {Path.cwd()} is in no RELION project: go to the "
                f"project's folder, or {_GIVE}"
            )
        return _in_project(find_job(project, named), project)
    folder = path if path.is_dir() else path.parent
    folder = Path(os.path.normpath(folder.absolute()))
    project = _project_of(folder.parent)
    name = "/".join(folder.parts[-2:] if project is None else folder.relative_to(project).parts)
    if project and not _NAME.fullmatch(name):  # an alias
        return _in_project(find_job(project, name), project)
    holds = [path] if path.is_file() else [folder / RECORD, folder / SUBMISSION]
    if not any(map(os.path.lexists, holds)):
        raise InputError(
            f"{folder} is no job of RELION's that was to go to the queue (it has no {SUBMISSION}): "
            f"{_GIVE}"
        )
    script = path.absolute() if path.is_file() and path.name != RECORD else folder / SUBMISSION
    return NamedJob(name, project or folder.parents[1], project is not None, script)


def _in_project(name: str, project: Path) -> NamedJob:
    return NamedJob(name, project, True, project / name / SUBMISSION)


def _project_of(folder: Path) -> Path | None:
    """The nearest folder above, or this one, in which RELION keeps its list of jobs."""
    return next((each for each in (folder, *folder.parents) if (each / PIPELINE).is_file()), None)
