"""Made-up jobs, one of each type, by which a site is checked before its users' jobs come."""

from __future__ import annotations

import os
from pathlib import Path

from ..config.configuration import Configuration
from ..config.job_types import JobType
from ..images.awaited import as_if_there
from ..memory.refinement import Refinement
from ..planning.job_request import JobRequest
from ..planning.make_plan import make_plan
from ..planning.plan import Plan
from ..planning.submitter import Submitter
from ..relion.command import parse_command
from ..relion.submission import Submission

__all__ = ["sample_plan"]

_SAMPLE = Refinement(box=64, source="a made-up job")


def sample_plan(job_type: str, configuration: Configuration, project: Path) -> Plan:
    """The plan of a made-up job of that type, with the images of `awaited_images`.

    Raises:
        DispatchError: as for :func:`dispatcher.planning.make_plan.make_plan`.
    """
    submission = _submission(configuration.job_types.types[job_type])
    return make_plan(
        JobRequest(submission, project, submitter=Submitter(os.environ, made_up=True)),
        configuration,
        job_type=job_type,
        refinement_of=lambda *_, **__: _SAMPLE,
        check_file=as_if_there,
    )


def _submission(kind: JobType) -> Submission:
    program = kind.match_command[0] if kind.match_command else "program"
    options = [f"--{name} 1" for name in kind.match_parameter]
    job = "Check/job001"
    command = parse_command(f"{program} --i particles.star --o {job}/run {' '.join(options)}")
    return Submission(job, f"{job}/run.out", f"{job}/run.err", (command,))
