"""The power of this machine is cut while it runs a job, and is back after some minutes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from ..waiting import processes_of
from .project import Project

__all__ = ["cut_power"]

_AGO = 200  # seconds since the run was there, after which `resume` begins the next one


def cut_power(project: Project, job: Path) -> None:
    """End all processes of a `local` job and of its watcher at once, some minutes ago."""
    record = project.record(job)
    for session in (record["watcher"]["job_id"], record["job_id"]):
        for what in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes_of(int(session)):
                os.kill(process, what)
    then = time.time() - _AGO
    for file in (*job.glob(".dispatch_lease.*"), *job.glob(".dispatch_id.*")):
        os.utime(file, (then, then))
