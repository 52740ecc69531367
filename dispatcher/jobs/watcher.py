"""The watcher, a job after the job: it tells RELION the end if the job's own script could not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..config.places import template_folders
from ..config.scheduler import Scheduler, filled
from ..errors import DispatchError
from ..job_script.library import Library, shell_functions, shell_part
from ..job_script.templates import environment, render
from ..job_script.variables import job_variables
from ..planning.plan import Plan
from ..relion.submission import SUBMISSION
from ..scheduler.submit import submit_without_retry
from .notes import write_watcher

__all__ = ["WATCHER", "submit_watcher", "watcher_script"]

WATCHER = f"{SUBMISSION}.watch"


def watcher_script(
    plan: Plan, scheduler: Scheduler, token: str, library: Library | None = None
) -> str:
    """Render the watcher's script, whose argument is the job's id.

    `library` is that of the job's script, read now if not given.

    Raises:
        TemplateError: the template is wrong, or a script cannot contain a value.
    """
    watcher = scheduler.watcher
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
        "relion_functions": shell_part("files") + shell_part("relion"),
        "scratch_functions": shell_functions(
            "scratch", "open_scratch", "empty_scratch", "remove_scratch"
        ),
    }
    return render(environment(template_folders()), "watcher.sh.j2", variables)


def submit_watcher(
    project: Path, name: str, scheduler: Scheduler, job_id: str, token: str, where: Sequence[str]
) -> str | None:
    """Submit the script, and note the watcher's job id beside the job; why there is no watcher.

    `where` are the options that lead to the job's cluster. The job runs without a watcher as well.

    Raises:
        WriteError: the note cannot be written.
    """
    assert scheduler.watcher is not None
    watcher, problem = None, None
    try:
        values = {"job_id": job_id, "name": name, "token": token}
        command = filled(scheduler.watcher.submit_command, **values)
        script = f"{name}/{WATCHER}"
        watcher = submit_without_retry(scheduler, [*command, *where, script, job_id], project)
    except DispatchError as error:
        problem = str(error)
    write_watcher(project / name, token, watcher, problem)
    return problem
