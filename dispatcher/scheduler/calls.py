"""Calling a scheduler's commands: by argument list, in the project's folder, for a limited time.

Variables that would change what a command does are removed from its environment: the command does
what the site's configuration says. `through` of the scheduler has the commands run on another
machine.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ..config.inherited import not_inherited
from ..config.scheduler import Scheduler, filled
from ..host import programs
from .answers import Queue, in_words, knows_end, names_its_clusters
from .clusters import names_one
from .dialect import dialect
from .job_ids import is_job_id

__all__ = ["ask_end", "ask_queue", "ask_wait", "call", "hand_over", "has_program", "start_detached",
           "try_call", "with_script"]  # fmt: skip

_WITH_STDIN = ("sh", "-c", 'exec "$@" <"$0"')  # then the file, and the command
_NOT_STARTED = {126: errno.EACCES, 127: errno.ENOENT}  # sh's exit status, and what it stands for

_DAY = 24 * 3600  # seconds


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


def with_script(scheduler: Scheduler, argv: Sequence[str]) -> list[str]:
    """The command to be run for a submit command, whose last argument is a script.

    >>> scheduler = Scheduler(submit_command=["board"], script_as="stdin")
    >>> with_script(scheduler, ["board", "-q", "job.sh"])
    ['sh', '-c', 'exec "$@" <"$0"', 'job.sh', 'board', '-q']
    """
    if scheduler.script_as != "stdin":
        return list(argv)
    *command, script = argv
    return [*_WITH_STDIN, script, *command]


def hand_over(scheduler: Scheduler, argv: Sequence[str], project: Path) -> programs.Finished:
    """Call the submit command, whose last argument is a script, as the scheduler gets scripts.

    Raises:
        OSError, subprocess.TimeoutExpired: as for :func:`call`.
    """
    done = call(scheduler, with_script(scheduler, argv), project)
    if scheduler.script_as == "stdin" and (why := _NOT_STARTED.get(done.status)):
        raise OSError(why, os.strerror(why), argv[0])
    return done


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


def ask_queue(scheduler: Scheduler, project: Path, where: tuple[str, ...] = ()) -> Queue | None:
    """Ask the scheduler, at the clusters to which the options `where` lead (clusters.py); None if
    it does not answer, or has no command for the question.

    Commands can print an error and still end with status 0: an error is no answer either. And they
    can fail where there is just no job.
    """
    if not scheduler.queue_command:
        return None
    done = try_call(scheduler, [*scheduler.queue_command, *where], project)
    if done is None or any(re.search(each, done.stderr) for each in scheduler.transient):
        return None
    if any(re.search(each, done.stdout + done.stderr) for each in scheduler.no_jobs):
        return Queue(scheduler, (), where)
    if done.status != 0 or (where and not names_its_clusters(scheduler, done.stdout)):
        return None
    jobs = dialect(scheduler).read_jobs(scheduler, done.stdout)
    if jobs is None:
        return None
    return Queue(scheduler, tuple(job for job in jobs if is_job_id(job.job_id)), where)


def ask_end(
    scheduler: Scheduler,
    job_id: str,
    project: Path,
    where: tuple[str, ...] = (),
    submitted: float = 0,
) -> str | None:
    """Ask the scheduler why a job ended, or its accounting if it has forgotten the job; None if it
    says that the job has not ended, or if the connection to the scheduler's machine is lost.

    `where` are the options that lead to the job's cluster. If they lead to several, nothing is
    asked, as another job may have the same id there. An id may also be that of a job of long ago:
    what ended a day before this one was `submitted` (seconds since 1970) does not count.
    """
    printed: str | None = ""
    if job_id and names_one(where):
        since = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(max(0, submitted - _DAY)))
        values = {"job_id": job_id, "since": since}
        printed = _printed(scheduler, filled(scheduler.end_command, **values), where, project)
        if printed is not None and not knows_end(scheduler, printed):
            command = filled(scheduler.accounting_command, **values)
            accounted = _printed(scheduler, command, where, project)
            known = None if accounted is None else in_words(scheduler, accounted)
            printed = known if known is None or knows_end(scheduler, known) else printed
    return None if printed is None else dialect(scheduler).read_end(scheduler, printed)


def ask_wait(scheduler: Scheduler, job_id: str, project: Path, where: tuple[str, ...] = ()) -> str:
    """Ask the scheduler why one job waits, if it has a command for that; "" if it does not say.

    `where` are the options that lead to the job's cluster, as in :func:`ask_end`.
    """
    if not scheduler.wait_command or not names_one(where):
        return ""
    from .waiting import read_reasons  # no hook asks

    command = filled(scheduler.wait_command, job_id=job_id)
    return read_reasons(scheduler, _printed(scheduler, command, where, project) or "")


def _printed(
    scheduler: Scheduler, command: Sequence[str], where: Sequence[str], project: Path
) -> str | None:
    """What a command printed, "" if it did not answer; None if a connection was lost, which says
    nothing of the job."""
    done = try_call(scheduler, [*command, *where], project) if command else None
    if done is None:
        return None if command and scheduler.through else ""
    return done.stdout
