"""Why a job ended, in the scheduler's words and in plain ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import host
from .scheduler import Scheduler, filled

__all__ = ["UNSEEN", "ask_end", "why_ended"]

UNSEEN = "it was killed, or its node was lost"  # where the scheduler knows no more


def why_ended(scheduler: Scheduler, printed: str) -> str:
    """One clause on the end of a job, from what the end command printed ("" for nothing).

    The watcher's script (``watcher.sh.j2``) reads the same output in the same way.

    >>> slurm = Scheduler(submit_command=["sbatch"], ends={"TIMEOUT": "too late"}, facts=["State"])
    >>> why_ended(slurm, "JobId=1 State=TIMEOUT Nodes=1")
    'too late (State=TIMEOUT)'
    """
    says = next((says for text, says in scheduler.ends.items() if text in printed), UNSEEN)
    names = tuple(f"{name}=" for name in scheduler.facts)
    facts = ", ".join(word for word in printed.split() if names and word.startswith(names))
    return f"{says} ({facts})" if facts else says


def ask_end(scheduler: Scheduler, job_id: str, project: Path) -> str:
    """Ask the scheduler why a job ended."""
    printed = ""
    if scheduler.end_command and job_id:
        command = filled(scheduler.end_command, job_id=job_id)
        try:
            printed = host.run(command, cwd=project, timeout=scheduler.timeout).stdout
        except (OSError, subprocess.TimeoutExpired):
            printed = ""
    return why_ended(scheduler, printed)
