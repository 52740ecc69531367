"""What does a job's folder say of the job: its record, its end, and whose job it is?"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..config.site import Site
from ..relion import job_star
from ..relion.exit_files import STATES, end_of
from ..relion.submission import SUBMISSION
from ..relion.submission_forms import is_from_our_template
from .closed_record import what_to_do
from .hook_process import hook_at_work
from .job import Elsewhere, Job
from .record import RECORD, Record, Unreadable, look_for_record
from .this_run import is_of_this_run

__all__ = ["is_without_queue", "read_job"]


def read_job(project: Path, name: str, status: str, site: Site) -> Job:
    """The job without its queue, given RELION's name and status of it. Reads its folder."""
    folder = project / name
    found = look_for_record(folder, of_any_run=True)
    last = found if isinstance(found, Record) else None
    # The record of a job that is over holds in any case: a copied project has new times.
    record = last if status != "Running" or is_of_this_run(folder, RECORD) else None
    end = end_of(folder) if status == "Running" else None
    own = False
    with suppress(OSError):
        own = (folder / (RECORD if record else SUBMISSION)).lstat().st_uid == os.getuid()
    elsewhere = None
    if status == "Running" and not end:
        elsewhere = _elsewhere(project, folder, record, last)
    if elsewhere:
        record, own = None, False
    return Job(
        name=name,
        folder=folder,
        status=STATES[end] if end else status,
        record=record,
        problem=_problem(found, folder),
        last_record=last,
        is_this_users=own and (record is not None or is_from_our_template(folder / SUBMISSION)),
        scheduler=site.schedulers.get(str(last.scheduler)) if last else None,
        queue=None,
        elsewhere=elsewhere,
    )


def _problem(found: Record | Unreadable | None, folder: Path) -> str | None:
    if isinstance(found, Record):
        return "; ".join(found.problems) or None
    if found is None:
        return None
    return f"{found}, so relion-dispatch does not know this job: " + what_to_do(
        folder, "if no queue has the job, remove that file, and run the job again in RELION."
    )


def is_without_queue(folder: Path) -> bool:
    """Whether RELION has run the job without the queue, by what its window said: then RELION wrote
    no submission script, and a script or record beside it is an earlier run's."""
    gui = job_star.read(folder / "job.star")
    return gui is not None and gui.options.get("do_queue") == "No"


def _elsewhere(
    project: Path,
    folder: Path,
    record: Record | None,
    last: Record | None,
) -> Elsewhere | None:
    """Why relion-dispatch does not run this job, although it runs for RELION and has a record."""
    if is_without_queue(folder):
        return "without_queue"
    if record and record.run:  # the exit file is on its way, or RELION has seen and removed it
        return "ended"
    if last is None or hook_at_work(folder):
        return None
    with suppress(OSError):
        original = (last.project or project) / folder.relative_to(project) / RECORD
        return None if original.samefile(folder / RECORD) else "copied"
    return None
