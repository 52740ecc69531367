"""How does a script start the container of a recorded job?

Apptainer, its options and the launcher of the ranks are this site's. Of the record are the number
of ranks, and what unusual.py has let pass.
"""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from ..config.scheduler import Scheduler, filled
from ..config.site import Site
from ..errors import InputError
from ..planning.launch import launch_options
from .recorded_container import Launcher
from .recorded_job import RecordedJob
from .script_words import as_words

__all__ = ["ContainerWords", "container_words"]


class ContainerWords(NamedTuple):
    """The words around Apptainer's ``exec``.

    Attributes:
        options: of all containers of the job.
        commands: for each command the words before ``exec``'s options, and those behind the image.
    """

    options: list[Markup]
    commands: list[tuple[list[Markup], list[Markup]]]


def container_words(job: RecordedJob, site: Site, scheduler: Scheduler) -> ContainerWords:
    """Build them anew; the image, and the folders, follow in the script.

    Raises:
        InputError: the job ran on several nodes, which this site has no launcher for.
    """
    recorded, own = job.container, site.apptainer.options
    options = [
        *([recorded.gpu] if recorded.gpu else []),
        f"--pwd={job.place.was}",
        *own,
        *(option for option in recorded.options if option not in own),
    ]
    return ContainerWords(
        as_words(options),
        [_started(job, site, scheduler, launcher) for launcher in recorded.launchers],
    )


def _started(
    job: RecordedJob, site: Site, scheduler: Scheduler, launcher: Launcher
) -> tuple[list[Markup], list[Markup]]:
    start = [Markup('"$dispatch_apptainer"'), *as_words(["--quiet", "exec", "--no-eval"])]
    if launcher is Launcher.ACROSS_NODES:
        return [*_across_nodes(job, site, scheduler), *start], []
    ranks = []
    if launcher is Launcher.IN_THE_CONTAINER and job.nproc > 1:
        ranks = as_words([*site.mpi["mpirun"], "-n", str(job.nproc)])
    return [*start, Markup("--cleanenv")], ranks


def _across_nodes(job: RecordedJob, site: Site, scheduler: Scheduler) -> list[Markup]:
    launcher = site.launch(scheduler)
    if not launcher:
        raise InputError(
            f"{job.name} ran on {job.nodes} nodes, and this site's scheduler has no launcher for "
            'several nodes: ask your admin to set "launch" of the scheduler.'
        )
    options = launch_options(site, scheduler, job.nodes, on_host=False, also=job.environment or ())
    return as_words([*launcher, *filled(options, ranks=str(job.nproc))])
