"""Why a job ended, in the scheduler's words and in plain ones."""

from __future__ import annotations

from pathlib import Path

from ..config.scheduler import Scheduler, filled
from .calls import try_call

__all__ = ["ask_end", "why_ended"]


def why_ended(scheduler: Scheduler, printed: str) -> str:
    """One clause on the end of a job, from what the end command printed ("" for nothing).

    The watcher's script (``watcher.sh.j2``) reads the same output in the same way.

    >>> slurm = Scheduler(submit_command=["sbatch"], ends={"TIMEOUT": "too late"}, facts=["State"])
    >>> why_ended(slurm, "JobId=1 State=TIMEOUT Nodes=1")
    'too late (State=TIMEOUT)'
    """
    matching = (says for text, says in scheduler.ends.items() if text in printed)
    says = next(matching, scheduler.unknown_end)
    words = ((word, *word.partition("=")) for word in printed.split())
    facts = ", ".join(word for word, name, _, value in words if value and name in scheduler.facts)
    return f"{says} ({facts})" if facts else says


def ask_end(scheduler: Scheduler, job_id: str, project: Path) -> str | None:
    """Ask the scheduler why a job ended; None if it says that the job has not."""
    done = None
    if scheduler.end_command and job_id:
        done = try_call(scheduler, filled(scheduler.end_command, job_id=job_id), project)
    printed = done.stdout if done else ""
    if any(text in printed for text in scheduler.alive):
        return None
    return why_ended(scheduler, printed)
