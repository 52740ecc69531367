"""What a plan starts from: RELION's submission, and what the project says about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..images.pins import PIN_FILE, Pin
from ..ranks.learned import Learned
from ..relion.job_star import JobStar, label_from_directory
from ..relion.submission import Submission, is_unfilled
from .submitter import Submitter

__all__ = ["JobRequest"]

_EXTRA = re.compile("qsub_extra_?([1-9][0-9]?)")


class JobRequest(NamedTuple):
    """A submission, and what its project adds to it.

    Attributes:
        project: the project's folder, absolute.
        gui: what RELION's window wrote into the job's ``job.star``; None without one.
        pinned: the image versions that the project has settled on, by image name.
        of_this_job: versions that hold for this job alone, by image name.
        submitter: who submits the job.
        learned: what earlier runs of the job tell of memory, if the user continues the job.
    """

    submission: Submission
    project: Path
    gui: JobStar | None = None
    pinned: Mapping[str, Pin] = {}
    submitter: Submitter = Submitter()
    of_this_job: Mapping[str, str] = {}
    learned: Learned = Learned()

    def with_version(self, image: str, version: str) -> JobRequest:
        """The same with that version of an image, whatever the project has settled on."""
        if image in self.pinned and self.pinned[image].version == version:
            return self
        pinned = {name: pin for name, pin in self.pinned.items() if name != image}
        return self._replace(pinned=pinned, of_this_job={**self.of_this_job, image: version})

    @property
    def label(self) -> str | None:
        """RELION's name of the kind of job, from job.star, else from the job's folder."""
        return (self.gui and self.gui.label) or label_from_directory(self.submission.job)

    @property
    def options(self) -> Mapping[str, str]:
        """The choices in RELION's window; none without ``job.star``."""
        return self.gui.options if self.gui else {}

    @property
    def continues(self) -> bool:
        """Whether RELION's user continues the job."""
        main = self.submission.main
        by_hand = self.gui is not None and self.gui.is_continue
        return by_hand or "continue" in main or "only_do_unfinished" in main

    @property
    def extra_fields(self) -> Mapping[str, str]:
        """What the fields of the site's own in RELION's window have, as RELION names them.

        ``{"qsub_extra1": "12:00:00"}``; a field that is empty or not set is left out. The CCP-EM
        Pipeliner writes qsub_extra_1.
        """
        named = ((_EXTRA.fullmatch(name), text) for name, text in self.options.items())
        fields = {int(found[1]): text for found, text in named if found} | {**self.submission.extra}
        return {
            f"qsub_extra{number}": text
            for number, text in sorted(fields.items())
            if text.strip() and not is_unfilled(text)
        }

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions of images that do not follow the site's default."""
        return {image: pin.version for image, pin in self.pinned.items()} | {**self.of_this_job}

    @property
    def pin_file(self) -> Path:
        """The file that the pins were read from."""
        return self.project / PIN_FILE
