"""Plan, record and submit RELION's submission script, in an order that a kill cannot spoil.

This process may be killed at any moment. So the record with the job's token is written before the
job is submitted. ``relion-dispatch status`` can then ask the queue for the token: either the job is
there, or it was never submitted.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from ..config.configuration import Configuration, load_configuration
from ..config.scheduler import Scheduler
from ..errors import DispatchError, WriteError
from ..host.atomic_files import keep_previous, write_atomically
from ..host.runtime_folder import make_local_lock
from ..host.shared_files import SharedFolder
from ..images.known_projects import remember
from ..images.pins import settle
from ..job_script.launchers import settled
from ..job_script.library import LIBRARY, Library, read_library
from ..jobs.folder_lock import folder_locked
from ..jobs.hook_process import HookProcess, at_work
from ..jobs.learned import learned_in
from ..jobs.notes import write_watcher
from ..jobs.queued_ahead import FirstInLine, queue_ahead
from ..jobs.record import RECORD
from ..jobs.seal import Sealed, seal, text_digest
from ..jobs.watcher import WATCHER, submit_watcher, watcher_script
from ..planning.make_plan import plan_script
from ..planning.plan import Plan
from ..refusal import described, say
from ..relion.exit_files import names_of_earlier_runs
from ..scheduler.clusters import where_is
from ..scheduler.own_templates import of_own_template
from ..scheduler.submit import Submitted, marked_command
from .hand_over import hand_over
from .provenance import provenance
from .second_call import submitted_before
from .write_record import note, record_text

__all__ = ["dispatch"]

_LONGEST_OUTPUT = 4096  # characters of what the submit command printed


def dispatch(script: Path) -> None:
    """Plan, render, record and submit.

    Raises:
        DispatchError: the job was not submitted, or nobody can say whether it was.
        KeyboardInterrupt: a signal came before the job was in the queue.
    """
    folder = script.absolute().parent
    if _submitted_before(folder):
        return
    with at_work(folder) as opened:
        token = os.urandom(6).hex()
        try:
            configuration = load_configuration()
            plan, text, library = _settled(script, configuration, token)
            scheduler = configuration.site.schedulers[plan.scheduler]
            argv = marked_command(scheduler, plan, token)
            # A site's own template may be complete by itself, and its script tell RELION nothing.
            own = {} if library.sha256 in text else {"own_template": True}
            told = of_own_template(scheduler) if own else scheduler
            watcher, problem = _watcher(plan, told, token, library)
            sealed = _sealed(plan, token, argv, text, watcher)
            record = record_text(_record(plan, configuration, sealed) | own)
        except BaseException:
            if _submitted_before(folder):  # what is wrong here is not wrong with that call
                return
            raise
        with folder_locked(folder):  # of two calls at the same moment, one goes on
            if _submitted_before(folder):
                return
            _refuse_replaced(opened)
            for file in (plan.project / plan.script, folder / RECORD):
                keep_previous(file)
            _remove_earlier_end(opened, script)
            # The script first: an older copy that waits sees by it that it was overtaken, before it
            # misses its own library. The new script cannot start yet.
            write_atomically(plan.project / plan.script, text, mode=0o644)
            if not own:
                write_atomically(folder / LIBRARY, library.text, mode=0o644)
            if watcher is not None:
                problem = _write_problem(plan.project / plan.name / WATCHER, watcher)
            write_atomically(folder / RECORD, record)
            _refuse_replaced(opened)
    submitted = hand_over(scheduler, argv, plan, token)
    if submitted is None:
        return
    try:  # the job runs: from here on RELION must not be told that it failed
        _note_submitted(configuration, plan, submitted, token)
        if submitted.job_id is not None:
            first = FirstInLine(submitted.job_id, argv, submitted.cluster, sealed.job_script)
            _submit_behind(scheduler, plan, first, token, problem)
    except BaseException as error:
        say(f"relion-dispatch: warning: {type(error).__name__}: {described(error)}")


def _submitted_before(folder: Path) -> bool:
    """Whether another call submits, or has submitted, this run of the job; says so."""
    before = submitted_before(folder, f"{folder.parent.name}/{folder.name}")
    if before:
        say(f"relion-dispatch: {before}")
    return before is not None


def _note_submitted(
    configuration: Configuration, plan: Plan, submitted: Submitted, token: str
) -> None:
    """Complete the record with the job's id, and tell the user."""
    note(
        plan.project / plan.name,
        token,
        job_id=submitted.job_id,
        cluster=submitted.cluster,
        submit_output=submitted.output[:_LONGEST_OUTPUT],
        attempts=list(submitted.attempts),
    )
    if plan.image:
        remember(plan.project, configuration.site)
    for line in (*plan.summary, f"submitted to {plan.scheduler} as job {submitted.job_id or '?'}"):
        say(line, sys.stdout)


def _submit_behind(
    scheduler: Scheduler, plan: Plan, first: FirstInLine, token: str, problem: str | None
) -> None:
    """Submit what waits behind the job: its next runs, if they are to be queued ahead, and the
    watcher. `problem` says why there can be no watcher. The job runs without all this."""
    ahead = plan.goes_on.queued_ahead if plan.goes_on else 0
    line, fewer = queue_ahead(plan.project, plan.name, scheduler, first, token, ahead)
    if fewer:
        say(f"relion-dispatch: warning: {fewer}")
    if scheduler.watcher is None:
        return
    if problem is None:
        where = where_is(scheduler, first.cluster, first.submit_command)
        problem = submit_watcher(plan.project, plan.name, scheduler, line[-1], token, where)
    else:
        write_watcher(plan.project / plan.name, token, None, problem)
    if problem:
        say(f"relion-dispatch: warning: no watcher: {problem}")


def _settled(script: Path, configuration: Configuration, token: str) -> tuple[Plan, str, Library]:
    """The plan, its script and the script's library, with the pin that holds for the project."""
    rendered = _rendered(script, configuration, token)  # first: a refused job pins nothing
    image = rendered[0].image
    if image and image.of_this_job:
        return rendered
    if image and settle(rendered[0].project, image).version != image.version:
        # Another first job of this project was quicker, and this one follows its pin.
        rendered = _rendered(script, configuration, token)
        if rendered[0].image:
            settle(rendered[0].project, rendered[0].image)
    return rendered


def _rendered(script: Path, configuration: Configuration, token: str) -> tuple[Plan, str, Library]:
    plan = plan_script(script, configuration, learned_in=learned_in)
    if plan.lock:
        plan = plan._replace(lock=str(make_local_lock()))
    library = read_library(*plan.template_folders)
    return *settled(plan, token, library), library


def _sealed(plan: Plan, token: str, argv: list[str], text: str, watcher: str | None) -> Sealed:
    watcher_script = None if watcher is None else text_digest(watcher)
    return Sealed(plan.project, plan.name, token, watcher_script, text_digest(text), argv)


def _record(plan: Plan, configuration: Configuration, sealed: Sealed) -> dict[str, Any]:
    return {
        **plan.as_json(),
        "decisions": plan.decisions and plan.decisions.as_json(plan.reasons),
        **provenance(plan, configuration.site.apptainer.program),
        "submit_command": sealed.submit_command,
        "job_script": plan.script,
        "job_script_sha256": sealed.job_script,
        "dispatched": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "user": os.environ.get("USER", str(os.getuid())),
        **HookProcess.own()._asdict(),
        "token": sealed.token,
        "watcher_script": sealed.watcher_script,
        "seal": seal(sealed),
        "job_id": None,
    }


def _watcher(
    plan: Plan, scheduler: Scheduler, token: str, library: Library
) -> tuple[str | None, str | None]:
    """The watcher's script if there is to be one, and why it cannot be had: the job can run
    without."""
    if scheduler.watcher is None:
        return None, None
    try:
        return watcher_script(plan, scheduler, token, library), None
    except DispatchError as error:
        return None, str(error)


def _write_problem(path: Path, text: str) -> str | None:
    """Write the watcher's script; why that failed."""
    try:
        write_atomically(path, text, mode=0o644)
    except DispatchError as error:
        return str(error)
    return None


def _remove_earlier_end(folder: SharedFolder, script: Path) -> None:
    """Remove exit files older than the submission script, as RELION does before it calls us with
    its own: nothing else that a program of an earlier run has told is to be left."""
    for name in names_of_earlier_runs(folder.path):
        try:
            if folder.holds(name) and folder.status(name).st_mtime < script.stat().st_mtime:
                folder.remove(name)
        except OSError as error:
            raise WriteError(
                f"{folder.path / name}, which tells RELION how an earlier run ended, cannot be "
                f"removed ({error.strerror}): remove the file as its owner, and submit the job "
                "again."
            ) from error


def _refuse_replaced(folder: SharedFolder) -> None:
    """See that the job's folder is the one that was looked at: what is written belongs together."""
    if not folder.is_at(folder.path):
        raise WriteError(
            f"{folder.path} is another folder than when the submission began: find out who moves "
            "the folders of this project, and submit the job again."
        )
