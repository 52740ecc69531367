"""Where do a project's jobs lie? In those of their kinds, and, once deleted, in RELION's Trash.

Folders that are links count if they are named as jobs are: people move jobs to other disks. A job
that is reached in two ways is found twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["KINDS", "Passed", "What", "job_folders"]

What = Literal["closed projects", "closed jobs", "broken records", "copies"]

# RELION's folders of jobs: PROC_*_DIRNAME in src/pipeline_jobs.h, 3.1.4, 4.0.2 and 5.0.1.
KINDS = frozenset((
    "Import", "MotionCorr", "CtfFind", "ManualPick", "AutoPick", "Extract", "Sort", "Select",
    "Class2D", "Class3D", "Refine3D", "MultiBody", "MaskCreate", "JoinStar", "Subtract",
    "PostProcess", "LocalRes", "InitialModel", "Polish", "CtfRefine", "MovieRefine", "External",
    "DynaMight", "ModelAngelo", "ImportTomo", "PseudoSubtomo", "CtfRefineTomo", "FrameAlignTomo",
    "ReconstructParticleTomo", "Reconstruct", "ExcludeTiltImages", "AlignTiltSeries", "Tomograms",
    "Denoise", "Picks",
))  # fmt: skip
_TRASH = "Trash"
_JOB = re.compile("job[0-9]{3,9}")


@dataclass
class Passed:
    """What was passed over: how many of each kind, and a clause on the first of them."""

    numbers: dict[What, int] = field(default_factory=dict)
    first: dict[What, str] = field(default_factory=dict)

    def add(self, what: What, clause: str) -> None:
        """Count one."""
        self.numbers[what] = self.numbers.get(what, 0) + 1
        self.first.setdefault(what, clause)


def job_folders(project: Path, passed: Passed) -> Iterator[str]:
    """The folders of the project's jobs, those that RELION has deleted last."""
    kinds = list(_folders(str(project), "closed projects", passed))
    for kind in kinds:
        yield from _jobs(kind, passed)
    if f"{project}/{_TRASH}" in kinds:
        for kind in _folders(f"{project}/{_TRASH}", "closed jobs", passed):
            yield from _jobs(kind, passed)


def _jobs(kind: str, passed: Passed) -> Iterator[str]:
    for folder in _folders(kind, "closed jobs", passed):
        if _JOB.fullmatch(folder.rpartition("/")[2]):
            yield folder


def _folders(path: str, what: What, passed: Passed) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(
                each.path
                for each in entries
                if not each.name.startswith(".") and _is_folder(each, passed)
            )
    except OSError as error:
        if isinstance(error, PermissionError) or what == "closed projects":
            passed.add(what, f"{path} ({error.strerror})")
        return []


def _is_folder(entry: os.DirEntry[str], passed: Passed) -> bool:
    """Whether it is one, or leads to one. A job's link that leads to nothing that can be looked
    into, as to a disk that is not mounted here, is counted."""
    if not entry.is_symlink():
        return entry.is_dir(follow_symlinks=False)
    is_job = _JOB.fullmatch(entry.name) is not None
    if not is_job and entry.name not in KINDS:
        return False
    try:
        os.scandir(entry.path).close()
    except NotADirectoryError:
        return False
    except OSError as error:
        passed.add("closed jobs", f"{entry.path} ({error.strerror})")
        return False
    return True
