"""The watcher, a job after the job: it tells RELION the end if the job's own script could not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config.places import template_folders
from ..config.scheduler import Scheduler, filled
from ..errors import DispatchError
from ..job_script.library import Library, shell_functions, shell_part
from ..job_script.templates import environment, render
from ..job_script.variables import job_variables
from ..planning.plan import Plan
from ..relion.submission import SUBMISSION
from ..scheduler.calls import with_script
from ..scheduler.submit import submit_without_retry
from .notes import write_watcher

__all__ = ["WATCHER", "submit_watcher", "submitted_watchers", "watcher_script"]

WATCHER = f"{SUBMISSION}.watch"

# Which run of a job that goes on is the newest.
_RUNS = ("run_token", "claim_of", "record_of", "unfinished_record", "newest_run")
# Whose turn it is of those that were queued ahead.
_IN_LINE = (
    "is_same_job",
    "jobs_in_line",
    "behind_in_line",
    "job_of_run",
    "waiting_in_line",
    "whose_turn",
)


def watcher_script(
    plan: Plan, scheduler: Scheduler, token: str, library: Library | None = None
) -> str:
    """Render the watcher's script, whose argument is the job's id.

    `library` is that of the job's script, read now if not given.

    Raises:
        TemplateError: the template is wrong, or a script cannot contain a value.
    """
    watcher = scheduler.watcher
    ahead = plan.goes_on.queued_ahead if plan.goes_on else 0
    variables = {
        **job_variables(plan, token, library),
        "detached": scheduler.detached,
        "watcher_partition": (watcher and watcher.partition) or plan.job_parameters["partition"],
        "watcher_options": watcher.scheduler_options if watcher else [],
        "end_command": scheduler.end_command,
        "accounting_command": scheduler.accounting_command,
        "accounting_columns": scheduler.accounting_columns,
        "alive": scheduler.alive,
        "ends": list(scheduler.ends.items()),
        "unknown_end": scheduler.unknown_end,
        "facts": scheduler.facts,
        "not_known": scheduler.not_known,
        "cancel_command": scheduler.cancel_command,
        "again": _again(scheduler, plan, token),
        "relion_functions": shell_part("files") + shell_part("relion"),
        "runs_functions": shell_functions("runs", *_RUNS) if plan.goes_on else "",
        "line_functions": shell_functions("queued_ahead", *_IN_LINE) if ahead else "",
        "scratch_functions": shell_functions(
            "scratch", "open_scratch", "empty_scratch", "remove_scratch"
        ),
    }
    return render(environment(template_folders()), "watcher.sh.j2", variables)


def _again(scheduler: Scheduler, plan: Plan, token: str) -> dict[str, Any] | None:
    """What the script needs to come again; ``{job_id}`` and ``{later}`` are left to it."""
    watcher = scheduler.watcher
    if watcher is None or not watcher.again_command:
        return None
    script = f"{plan.name}/{WATCHER}"
    command = filled(watcher.again_command, name=plan.name, token=token)
    return {
        "command": with_script(scheduler, _words(scheduler, command, script, "{job_id}")),
        "format": watcher.again_format,
        "after": watcher.again_after,
    }


def _words(scheduler: Scheduler, command: Sequence[str], script: str, job_id: str) -> list[str]:
    """The command that submits the script, which gets the job's id if it can get arguments."""
    return [*command, script, *([job_id] if scheduler.script_as == "argument" else [])]


def submit_watcher(
    project: Path, name: str, scheduler: Scheduler, job_id: str, token: str, where: Sequence[str]
) -> str | None:
    """Submit the script, and note the watcher's job id beside the job; why there is no watcher.

    The job runs without a watcher as well.

    Raises:
        WriteError: the note cannot be written.
    """
    ids, problem = submitted_watchers(project, name, scheduler, job_id, token, where)
    write_watcher(project / name, token, next(iter(ids), None), problem)
    return problem


def submitted_watchers(
    project: Path, name: str, scheduler: Scheduler, job_id: str, token: str, where: Sequence[str]
) -> tuple[list[str], str | None]:
    """Submit the script; its job ids, and why there is none.

    `where` are the options that lead to the job's cluster. Of a scheduler that may not start the
    watcher, the script that comes again is submitted too, and is enough.
    """
    watcher = scheduler.watcher
    assert watcher is not None
    later = time.localtime(time.time() + watcher.again_after)
    values = {
        "job_id": job_id,
        "name": name,
        "token": token,
        "later": time.strftime(watcher.again_format, later),
    }
    ids, problems = [], []
    for template in filter(None, (watcher.submit_command, watcher.again_command)):
        command = [*filled(template, **values), *where]
        argv = _words(scheduler, command, f"{name}/{WATCHER}", job_id)
        try:
            ids.append(submit_without_retry(scheduler, argv, project)[0])
        except DispatchError as error:
            problems.append(str(error))
    return ids, None if ids else "; ".join(dict.fromkeys(problems))
