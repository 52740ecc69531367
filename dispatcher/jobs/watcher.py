"""The job after the job: it tells RELION the end where the job's own script could not."""

from __future__ import annotations

from ..atomic_files import write_atomically
from ..job_script import job_variables
from ..plan import Plan
from ..scheduler import Scheduler, filled
from ..submit import submit_beside
from ..templates import environment, render, template_folders

__all__ = ["submit_watcher", "watcher_script"]


def watcher_script(plan: Plan, scheduler: Scheduler, job_id: str, token: str) -> str:
    """Render the watcher's script.

    Raises:
        TemplateError: the template is wrong, or a value cannot stand in a script.
    """
    watcher = scheduler.watcher
    variables = {
        **job_variables(plan, token),
        "job_id": job_id,
        "detached": scheduler.detached,
        "watcher_partition": (watcher and watcher.partition) or plan.job_parameters["partition"],
        "end_command": filled(scheduler.end_command, job_id=job_id),
        "ends": list(scheduler.ends.items()),
        "unknown_end": scheduler.unknown_end,
        "facts": scheduler.facts,
    }
    return render(environment(template_folders()), "watcher.sh.j2", variables)


def submit_watcher(plan: Plan, scheduler: Scheduler, job_id: str, token: str) -> str:
    """Write the script and submit it; its job id.

    Raises:
        DispatchError: the job `job_id` has no watcher.
    """
    assert scheduler.watcher is not None
    script = f"{plan.name}/run_submit.script.watch"
    write_atomically(plan.project / script, watcher_script(plan, scheduler, job_id, token))
    values = {"job_id": job_id, "name": plan.name, "token": token}
    command = filled(scheduler.watcher.submit_command, **values)
    return submit_beside(scheduler, [*command, script], plan.project)
