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
from .jobs.exit_files import ABORT_NOW, ENDS, end_of, exit_file, tell
from .jobs.job_queue import ask_queue
from .jobs.submitted_before import at_work, submitted_before
from .jobs.watcher import WATCHER, submit_watcher, watcher_script
from .pins import settle
from .plan import Plan
from .planning import plan_script
from .provenance import provenance
from .record import RECORD, as_text, change_record, folder_locked, read_record
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
    folder = script.absolute().parent
    with at_work(folder):
        configuration = load_configuration()
        token = os.urandom(6).hex()
        plan, text = _settled(script, configuration, token)
        scheduler = configuration.site.schedulers[plan.scheduler]
        argv = submission_command(scheduler, plan, token)
        record = as_text(_record(plan, configuration, token, argv))
        with folder_locked(folder):  # of two calls at the same moment, one goes on
            if before := submitted_before(folder, plan.name):
                say(f"relion-dispatch: {before}")
                return
            for file in (plan.project / plan.script, folder / RECORD):
                keep_previous(file)
            _remove_earlier_end(folder, script)
            write_atomically(plan.project / plan.script, text)
            problem = _watcher_written(plan, scheduler, token)
            write_atomically(folder / RECORD, record)
    if _is_over(plan, token):
        return
    try:
        submitted = _submitted(scheduler, argv, plan, token)
    except Exception:
        if _is_over(plan, token):
            return
        raise
    if submitted is None:
        return
    # The job runs: from here on RELION must not be told that it failed.
    _ignore_signals()
    try:
        _after(configuration, scheduler, plan, submitted, token, problem)
    except Exception as error:
        say(f"relion-dispatch: warning: {type(error).__name__}: {error}")


def _submitted(scheduler: Scheduler, argv: list[str], plan: Plan, token: str) -> Submitted | None:
    """The job that the scheduler has taken; None where it is wanted no longer.

    What was not taken, or what nobody can say was taken, does not run from now on.

    Raises:
        SubmitError: it was not, or nobody can say whether it was.
    """
    folder = plan.project / plan.name
    try:
        submitted = submit(scheduler, argv, plan.project, token, lambda: _is_over(plan, token))
    except KeyboardInterrupt:
        _ignore_signals()
        return _taken_meanwhile(scheduler, plan, token)
    except Exception as error:
        if give_up(folder, token):
            _note(folder, token, refused=str(error))
            raise
        # Whatever the submit command said: the job's script runs.
        return Submitted(None, "", (str(error),))
    if submitted is None:
        give_up(folder, token)  # an attempt before may still be taken
    return submitted


def _after(
    configuration: Configuration,
    scheduler: Scheduler,
    plan: Plan,
    submitted: Submitted,
    token: str,
    problem: str | None,
) -> None:
    """What is good to have once the job is in the queue: its id in the record, its watcher."""
    folder = plan.project / plan.name
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
        watcher: dict[str, str | None] = {"job_id": None, "warning": problem}
        if problem is None:
            watcher = submit_watcher(plan.project, plan.name, scheduler, submitted.job_id, token)
        if warning := watcher.get("warning"):
            say(f"relion-dispatch: warning: no watcher: {warning}")
        _note(folder, token, watcher=watcher)


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


def _watcher_written(plan: Plan, scheduler: Scheduler, token: str) -> str | None:
    """Write the watcher's script; why there is none, for the job can run without it."""
    if scheduler.watcher is None:
        return None
    try:
        write_atomically(plan.project / plan.name / WATCHER, watcher_script(plan, scheduler, token))
    except DispatchError as error:
        return str(error)
    return None


def _is_over(plan: Plan, token: str) -> bool:
    """Whether RELION knows an end of this job already, or wants none of it: then nothing is run.

    ``status`` tells RELION the failure of a job that seems never to be submitted; a user may abort
    the job while it is being planned, or run it again while the scheduler does not answer.
    """
    folder = plan.project / plan.name
    if _is_superseded(folder, token):
        return True
    end = end_of(folder)
    if end is None and (folder / ABORT_NOW).exists():
        sentence = "The job was aborted in RELION before it was submitted."
        tell(folder, plan.project / plan.errfile, "ABORTED", sentence, token)
        end = end_of(folder) or "ABORTED"
        exit_file(folder, end).touch()  # also where a clock makes the record seem an earlier run's
    if end is None:
        return False
    _note(folder, token, refused=f"RELION_JOB_EXIT_{end} was there before the job was submitted.")
    say(f"relion-dispatch: {plan.name} has ended for RELION ({end}): it was not submitted.")
    return True


def _remove_earlier_end(folder: Path, script: Path) -> None:
    """Remove exit files older than the submission script, as RELION does before it calls us."""
    for end in ENDS:
        file = exit_file(folder, end)
        if file.exists() and file.stat().st_mtime < script.stat().st_mtime:
            file.unlink()


def _is_superseded(folder: Path, token: str) -> bool:
    """Whether the job was run again meanwhile: then what becomes of it is the newer call's."""
    record = read_record(folder, of_any_run=True)
    if record is None or record.get("token") == token:
        return False
    say(f"relion-dispatch: {folder} was submitted anew meanwhile: this call ends.")
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


def _note(folder: Path, token: str, **changes: object) -> None:
    """Add to the record what is good to know, but no reason to stop."""
    try:
        change_record(folder, token, **changes)
    except WriteError as error:
        say(f"relion-dispatch: {error}")


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
