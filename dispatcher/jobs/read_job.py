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
from .hook_process import hook_at_work
from .job import Job
from .record import RECORD, Record, Unreadable, look_for_record, what_to_do
from .this_run import is_of_this_run

__all__ = ["read_job"]


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
    if status == "Running" and not end and _runs_elsewhere(project, folder, record, last):
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
    )


def _problem(found: Record | Unreadable | None, folder: Path) -> str | None:
    if isinstance(found, Record):
        return "; ".join(found.problems) or None
    if found is None:
        return None
    return f"{found}, so relion-dispatch does not know this job: " + what_to_do(
        folder, "if no queue has the job, remove that file, and run the job again in RELION."
    )


def _runs_elsewhere(
    project: Path,
    folder: Path,
    record: Record | None,
    last: Record | None,
) -> bool:
    """Whether relion-dispatch does not run this job, although it runs for RELION and has a record.

    RELION may run the job without the queue: then RELION writes no submission script, and the
    record is an earlier run's. Or the folder was copied with its project while the job ran.
    """
    gui = job_star.read(folder / "job.star")
    if gui and gui.options.get("do_queue") == "No":
        return True
    if record and record.run:  # RELION was told the end, and has removed the exit file since
        return True
    if last is None or hook_at_work(folder):
        return False
    with suppress(OSError):
        original = (last.project or project) / folder.relative_to(project) / RECORD
        return not original.samefile(folder / RECORD)
    return False
