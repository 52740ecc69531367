"""A job whose partition, resources and image are still to be chosen."""

from __future__ import annotations

from typing import NamedTuple

from ..config.scheduler import Scheduler
from ..config.site import Partition
from ..memory.host_memory import Particles
from ..memory.refinement import Refinement
from ..relion.command import Command
from .job_request import JobRequest
from .matched_type import MatchedType
from .window_wishes import Wishes

__all__ = ["UnplacedJob"]


class UnplacedJob(NamedTuple):
    """What is known of a job before its partition, resources and image are chosen.

    Attributes:
        job_type: the submission's, with its lineage.
        command: the main command as the job type rewrote it.
        relion_version: major and minor of the image that will run the job; None if not known.
        refinement: what the command holds in memory, None if not known.
        scheduler: the job's.
        here: this machine, if the job runs here.
        reasons: a sentence for each decision so far.
        wishes: what was typed into the site's fields of RELION's window.
    """

    request: JobRequest
    job_type: MatchedType
    command: Command
    relion_version: tuple[int, int] | None
    refinement: Refinement | None
    particles: Particles
    scheduler: Scheduler
    here: Partition | None
    reasons: tuple[str, ...]
    wishes: Wishes = Wishes()

    @property
    def starts_its_ranks(self) -> bool:
        """Whether its main program starts the ranks by itself, as many as its own file says: the
        job runner of the CCP-EM Pipeliner."""
        return self.request.submission.is_pipeliners

    @property
    def is_foreign(self) -> bool:
        """Whether its main program is the user's own, of which the dispatcher knows nothing."""
        external = (self.request.label or "").startswith("relion.external")
        return external or self.command.kind == "shell"
