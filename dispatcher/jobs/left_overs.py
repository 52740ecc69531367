"""What the processes of a job have left unfinished, once the last of them is gone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..host.atomic_files import remove_unfinished
from ..host.shared_files import shared_folder
from ..host.shared_trees import remove_tree
from ..job_script.library import LIBRARY
from ..relion.exit_files import control_folder
from ..relion.submission import SUBMISSION
from .folder_lock import folder_locked
from .hook_process import HOOK
from .job import Job
from .notes import line_file, watcher_file
from .record import RECORD
from .run_names import job_id_file, lease_file, run_file, unfinished_run_file
from .watcher import WATCHER

__all__ = ["remove_left_overs"]


def remove_left_overs(job: Job) -> None:
    """Remove the unfinished files of the job's hook and script: no other process is left to."""
    newest = job.record.newest if job.record else 1
    notes = [file(job.folder, job.token).name for file in (watcher_file, line_file, job_id_file)]
    notes.append(run_file(job.folder, job.token, newest).name)  # `resume` writes it of a lost run
    with folder_locked(job.folder):  # or those of a hook that submits the job anew would go
        written = (HOOK, RECORD, f"{SUBMISSION}.run", LIBRARY, WATCHER, *notes)
        remove_unfinished(job.folder, written)
    left = [file(job.folder, job.token, newest) for file in (unfinished_run_file, lease_file)]
    with suppress(OSError), shared_folder(job.folder) as opened:
        with suppress(OSError):
            remove_tree(opened, _name(control_folder(job.folder, job.token, newest), job))
        for name in (HOOK, *(_name(file, job) for file in left)):
            with suppress(OSError):
                opened.remove(name)


def _name(path: Path, job: Job) -> str:
    """The path within the job's folder: no name at all, if a record's token has a slash."""
    return str(path.relative_to(job.folder))
