"""From RELION's submission script to a job in the queue, with a record that finds it again.

The order matters, for this process may be killed at any moment. The record with the job's token is
written before the job is submitted, so whoever comes later (``relion-dispatch status``) can ask the
queue for the token: the job is there, or it never was.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from .atomic_files import keep_previous, write_atomically
from .catalogue.known_projects import remember
from .configuration import Configuration, load_configuration
from .errors import DispatchError, SubmitError, WriteError
from .job_script import job_script
from .jobs.claim import give_up
from .jobs.exit_files import ABORT_NOW, end_of, tell
from .jobs.job_queue import ask_queue
from .jobs.submitted_before import submitted_before
from .jobs.watcher import submit_watcher
from .pins import settle
from .plan import Plan
from .planning import plan_script
from .provenance import provenance
from .record import RECORD, as_text, change_record, folder_locked
from .refusal import say
from .scheduler import Scheduler
from .submit import Submitted, submission_command, submit

__all__ = ["dispatch"]


def dispatch(script: Path) -> None:
    """Plan, render, record and submit.

    Raises:
        DispatchError: the job was not submitted, or nobody can say whether it was.
        KeyboardInterrupt: a signal came before the job was in the queue.
    """
    configuration = load_configuration()
    token = os.urandom(6).hex()
    plan, text = _settled(script, configuration, token)
    scheduler = configuration.site.schedulers[plan.scheduler]
    argv = submission_command(scheduler, plan, token)
    folder = plan.project / plan.name
    job_file = plan.project / plan.script
    record = as_text(_record(plan, configuration, token, argv))
    with folder_locked(folder):  # of two calls at the same moment, one goes on
        if before := submitted_before(folder, plan.name):
            say(f"relion-dispatch: {before}")
            return
        for file in (job_file, folder / RECORD):
            keep_previous(file)
        write_atomically(job_file, text)
        write_atomically(folder / RECORD, record)
    if _is_over(plan, script, token):
        return
    try:
        submitted = submit(scheduler, argv, plan.project, token)
    except SubmitError as error:
        if give_up(folder, token):
            _note(folder, token, refused=str(error))
            raise
        # Whatever the submit command said: the job's script runs.
        submitted = Submitted(None, "", (str(error),))
    except KeyboardInterrupt:
        _ignore_signals()
        submitted = _taken_meanwhile(scheduler, plan, token)
    # The job runs: from here on RELION must not be told that it failed.
    _ignore_signals()
    _note(
        folder,
        token,
        job_id=submitted.job_id,
        submit_output=submitted.output,
        attempts=list(submitted.attempts),
    )
    if plan.image:
        remember(plan.project, configuration.site)
    for line in (*plan.summary, f"submitted to {plan.scheduler} as job {submitted.job_id or '?'}"):
        say(line, sys.stdout)
    if scheduler.watcher and submitted.job_id:
        _note(folder, token, watcher=_watched(scheduler, plan, submitted.job_id, token))


def _settled(script: Path, configuration: Configuration, token: str) -> tuple[Plan, str]:
    """The plan and its script, with the pin that holds for the project."""
    plan = plan_script(script, configuration)
    text = job_script(plan, token)
    if plan.image and settle(plan.project, plan.image).version != plan.image.version:
        # Another first job of this project was quicker, and this one follows its pin.
        plan = plan_script(script, configuration)
        text = job_script(plan, token)
        if plan.image:
            settle(plan.project, plan.image)
    return plan, text


def _record(
    plan: Plan, configuration: Configuration, token: str, argv: list[str]
) -> dict[str, Any]:
    return {
        **plan.as_json(),
        **provenance(plan, configuration.site.apptainer.program),
        "submit_command": argv,
        "job_script": plan.script,
        "dispatched": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "user": os.environ.get("USER", str(os.getuid())),
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "token": token,
        "job_id": None,
    }


def _is_over(plan: Plan, script: Path, token: str) -> bool:
    """Whether RELION knows an end of this job already, or wants none of it: then nothing is run.

    ``status`` tells RELION the failure of a job that seems never to be submitted, and a user may
    abort the job while it is being planned.
    """
    folder = plan.project / plan.name
    if (folder / ABORT_NOW).exists():
        sentence = "The job was aborted in RELION before it was submitted."
        tell(folder, plan.project / plan.errfile, "ABORTED", sentence, token)
    end = end_of(folder)
    if end is None:
        return False
    told = (folder / f"RELION_JOB_EXIT_{end}").stat().st_mtime
    if told < script.stat().st_mtime:  # an earlier run's, where it was not RELION that called us
        return False
    _note(folder, token, refused=f"RELION_JOB_EXIT_{end} was there before the job was submitted.")
    say(f"relion-dispatch: {plan.name} has ended for RELION ({end}): it was not submitted.")
    return True


def _taken_meanwhile(scheduler: Scheduler, plan: Plan, token: str) -> Submitted:
    """The job that a submit command handed over before a signal ended the waiting for it."""
    queue = ask_queue(scheduler, plan.project)
    found = queue.job(token) if queue else None
    if found:
        return Submitted(found.job_id, "", ("interrupted, yet the queue had the job",))
    if not give_up(plan.project / plan.name, token):
        return Submitted(None, "", ("interrupted, yet the job's script runs",))
    sentence = "The submission was interrupted" + (
        ", and the job is not in the queue: run it again."
        if queue
        else ". If the job is in the queue, it ends by itself without running: run it again."
    )
    _note(plan.project / plan.name, token, refused=sentence)
    raise SubmitError(sentence)


def _watched(scheduler: Scheduler, plan: Plan, job_id: str, token: str) -> dict[str, str | None]:
    """Submit the watcher; its job id, or why there is none: the job itself runs in any case."""
    try:
        return {"job_id": submit_watcher(plan, scheduler, job_id, token)}
    except DispatchError as error:
        say(f"relion-dispatch: warning: no watcher: {error}")
        return {"job_id": None, "warning": str(error)}


def _note(folder: Path, token: str, **changes: object) -> None:
    """Add to the record what is good to know, but no reason to stop."""
    try:
        change_record(folder, token, **changes)
    except WriteError as error:
        say(f"relion-dispatch: {error}")


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
