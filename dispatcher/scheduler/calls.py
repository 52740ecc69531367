"""Calling a scheduler's commands: by argument list, in the project's folder, for a limited time.

Variables that would change what a command does are removed from its environment: the command does
what the site's configuration says. `through` of the scheduler has the commands run on another
machine.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..config.inherited import not_inherited
from ..config.scheduler import Scheduler, filled
from ..host import programs
from .answers import Queue
from .dialect import dialect
from .job_ids import is_job_id

__all__ = ["ask_end", "ask_queue", "call", "has_program", "start_detached", "try_call"]


def call(scheduler: Scheduler, argv: Sequence[str], project: Path) -> programs.Finished:
    """Call a command, and wait for its end.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it did not end in the scheduler's time.
    """
    if scheduler.through:
        from .through import call_there  # few sites need it

        return call_there(scheduler, argv, project)
    return programs.run(
        argv, cwd=project, timeout=scheduler.timeout, unset=_not_inherited(scheduler)
    )


def try_call(scheduler: Scheduler, argv: Sequence[str], project: Path) -> programs.Finished | None:
    """Call a command; None if it cannot be started, or did not end in the scheduler's time."""
    try:
        return call(scheduler, argv, project)
    except (OSError, subprocess.TimeoutExpired):
        return None


def has_program(scheduler: Scheduler, program: str, folder: Path) -> bool:
    """Whether the machine on which the scheduler's commands run has a program.

    Raises:
        OSError: another machine does not tell.
        subprocess.TimeoutExpired: it did not do so in the scheduler's time.
    """
    if scheduler.through:
        from .through import has_program_there

        return has_program_there(scheduler, program, folder)
    return programs.which(program) is not None


def start_detached(scheduler: Scheduler, argv: Sequence[str], project: Path) -> int:
    """Start the command that *is* the job, in a session of its own; its process id.

    Raises:
        OSError: it cannot be started.
    """
    return programs.detached(argv, cwd=project, unset=_not_inherited(scheduler))


def _not_inherited(scheduler: Scheduler) -> list[str]:
    """Variables of the environment that are kept from a command, and from the job.

    Some override the job script's directives; some hide jobs, which then seem lost; some apply to a
    part of the commands only; some belong to the job from which this one is submitted.
    """
    return list(not_inherited(os.environ, scheduler))


def ask_queue(scheduler: Scheduler, project: Path) -> Queue | None:
    """Ask the scheduler; None if it does not answer, or has no command for the question.

    Commands can print an error and still end with status 0: an error is no answer either.
    """
    if not scheduler.queue_command:
        return None
    done = try_call(scheduler, scheduler.queue_command, project)
    if (
        done is None
        or done.status != 0
        or any(re.search(each, done.stderr) for each in scheduler.transient)
    ):
        return None
    jobs = dialect(scheduler).read_jobs(scheduler, done.stdout)
    return Queue(scheduler, tuple(job for job in jobs if is_job_id(job.job_id)))


def ask_end(scheduler: Scheduler, job_id: str, project: Path) -> str | None:
    """Ask the scheduler why a job ended; None if it says that the job has not, or if the connection
    to the scheduler's machine is lost."""
    done = None
    if scheduler.end_command and job_id:
        done = try_call(scheduler, filled(scheduler.end_command, job_id=job_id), project)
        if done is None and scheduler.through:
            return None  # a connection was lost, which says nothing of the job
    return dialect(scheduler).read_end(scheduler, done.stdout if done else "")
