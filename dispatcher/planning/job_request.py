"""What a plan starts from: RELION's submission, and what the project says about it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..images.pins import PIN_FILE, Pin
from ..relion.job_star import JobStar, label_from_directory
from ..relion.submission import Submission

__all__ = ["JobRequest"]


class JobRequest(NamedTuple):
    """A submission, and what its project adds to it.

    Attributes:
        project: the project's folder, absolute.
        gui: what RELION's window wrote into the job's ``job.star``; None without one.
        pinned: the image versions that the project has settled on, by image name.
    """

    submission: Submission
    project: Path
    gui: JobStar | None = None
    pinned: Mapping[str, Pin] = {}

    @property
    def label(self) -> str | None:
        """RELION's name of the kind of job, from job.star, else from the job's folder."""
        return (self.gui and self.gui.label) or label_from_directory(self.submission.job)

    @property
    def options(self) -> Mapping[str, str]:
        """The choices in RELION's window; none without ``job.star``."""
        return self.gui.options if self.gui else {}

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of the pinned images."""
        return {image: pin.version for image, pin in self.pinned.items()}

    @property
    def pin_file(self) -> Path:
        """The file that the pins were read from."""
        return self.project / PIN_FILE
