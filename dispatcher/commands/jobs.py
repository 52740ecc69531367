"""The commands that act on running jobs: ``relion-dispatch cancel``, ``resume`` and ``watch``."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from ..errors import DispatchError

__all__ = ["cancel", "resume", "watch"]
Seconds = Annotated[float, typer.Option(min=1, max=86_400, help="Seconds between two checks.")]


def cancel(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Refine3D/job019, or its folder.")],
) -> int:
    """Cancel a job, and tell RELION that it was aborted.

    The job may wait in the queue, or run. Run this command in the project's folder.
    """
    from ..config.site import load_site
    from ..jobs.cancel import cancel as cancel_job
    from ..jobs.project_jobs import find_job
    from ..relion.pipeline import project_folder

    project, site = project_folder(), load_site()
    print(cancel_job(project, site, find_job(project, job)))
    return 0


def resume(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Refine3D/job019, or its folder.")],
) -> int:
    """Go on with a job that was cut, as by a power cut.

    The job must be one that goes on ("goes_on" in site.json), and RELION must still have it as
    running. The next run begins where the last one ended. Run this command in the project's folder,
    on the machine where the job ran if it has no queue.
    """
    from ..config.site import load_site
    from ..jobs.project_jobs import find_job
    from ..jobs.resume import resume as resume_job
    from ..relion.pipeline import project_folder

    project, site = project_folder(), load_site()
    print(resume_job(project, site, find_job(project, job)))
    return 0


def watch(
    once: Annotated[
        bool, typer.Option("--once", help="Check once and end, for use from cron.")
    ] = False,
    interval: Seconds = 30,
) -> int:
    """Cancel aborted jobs, go on with cut ones, tell of lost ones.

    RELION is told of jobs that no queue knows any longer. The command cancels jobs that wait in the
    queue; running jobs see the abort themselves. Run it in the project's folder, and leave it
    running. It does no harm to run the command twice.
    """
    from ..config.site import load_site
    from ..jobs.cancel import cancel_aborted
    from ..jobs.repair import refresh_and_report_lost
    from ..jobs.resume import resume_cut
    from ..relion.pipeline import project_folder

    project = project_folder()
    said: set[str] = set()
    while True:
        failed = False
        try:
            site = load_site()
            found, told = refresh_and_report_lost(project, site)
            for sentence in told:
                print(sentence, flush=True)
            for sentence in cancel_aborted(project, site, found.jobs):
                print(sentence, flush=True)
            for sentence in resume_cut(project, found.jobs):
                if sentence not in said:
                    print(sentence, flush=True)
                said.add(sentence)
            problems = [f"{job.name}: {job.problem}" for job in found.jobs if job.problem]
            problems += filter(None, [found.problem])
            for sentence in problems:
                if sentence not in said:
                    print(f"warning: {sentence}", file=sys.stderr, flush=True)
            said.update(problems)
        except (DispatchError, OSError) as error:
            failed = True
            print(f"relion-dispatch: {error}", file=sys.stderr, flush=True)
        if once:
            return 1 if failed else 0
        time.sleep(interval)
