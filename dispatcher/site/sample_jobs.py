"""Made-up jobs, one of each type, by which a site is checked before its users' jobs come."""

from __future__ import annotations

import os
from pathlib import Path

from ..config.catalogue import Catalogue, Image, ImageFile
from ..config.configuration import Configuration
from ..config.job_types import JobType, JobTypes
from ..config.site import Site
from ..images.choice import ChosenImage
from ..memory.refinement import Refinement
from ..planning.job_request import JobRequest
from ..planning.make_plan import make_plan
from ..planning.plan import Plan
from ..planning.submitter import Submitter
from ..relion.command import parse_command
from ..relion.submission import Submission

__all__ = ["sample_catalogue", "sample_plan"]

_SAMPLE = Refinement(box=64, source="a made-up job")


def sample_plan(job_type: str, configuration: Configuration, project: Path) -> Plan:
    """The plan of a made-up job of that type, with the images of :func:`sample_catalogue`.

    Raises:
        DispatchError: as for :func:`dispatcher.planning.make_plan.make_plan`.
    """
    submission = _submission(configuration.job_types.types[job_type])
    return make_plan(
        JobRequest(submission, project, submitter=Submitter(os.environ, made_up=True)),
        configuration,
        job_type=job_type,
        refinement_of=lambda *_, **__: _SAMPLE,
        check_file=_unread,
    )


def sample_catalogue(folder: Path, types: JobTypes, site: Site) -> Catalogue:
    """A catalogue in which each image that the site or a job type names has builds for GPUs and for
    CPUs."""
    gpu, signed = site.apptainer.gpu_kind, tuple(site.apptainer.signed_by)
    # A signature counts for a digest alone.
    builds = [
        ImageFile(variant="gpu", path="sample.sif", gpu=gpu, signed_by=signed, sha256="0" * 64),
        ImageFile(variant="cpu", path="sample.sif", signed_by=signed, sha256="0" * 64),
    ]
    names = filter(None, [site.image, *(kind.image for kind in types.types.values())])
    image = Image(default="1", versions={"1": builds})
    return Catalogue(images=dict.fromkeys(names, image), path=folder)


def _submission(kind: JobType) -> Submission:
    program = kind.match_command[0] if kind.match_command else "program"
    options = [f"--{name} 1" for name in kind.match_parameter]
    command = parse_command(f"{program} --i particles.star {' '.join(options)}")
    job = "Check/job001"
    return Submission(job, f"{job}/run.out", f"{job}/run.err", (command,))


def _unread(choice: ChosenImage, *_: object) -> ChosenImage:
    """The made-up image as it would be, had it a file."""
    return choice._replace(sha256="0" * 64, sif_id="0" * 32, size=0)
