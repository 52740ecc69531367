"""Waiting for what comes, and for what goes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from dispatcher.jobs.record import read_record

__all__ = ["has_ended", "processes_of", "wait_for", "wait_for_arguments", "wait_for_end"]

PATIENCE = 4  # times the seconds given: a busy machine is no fault of what is tested


def wait_for(
    condition: Callable[[], object], seconds: float = 20, what: str = "what was waited for"
) -> None:
    """Wait until `condition` holds; fail naming `what` after `seconds`, or PATIENCE times that."""
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds * PATIENCE} s"
        time.sleep(0.05)


def wait_for_arguments(pid: int, last: str) -> None:
    """Wait until a new process shows its arguments: it has none for a moment after its start."""
    shown = Path(f"/proc/{pid}/cmdline")
    wait_for(lambda: last in shown.read_text().split("\0"), what=f"{last} as an argument of {pid}")


def wait_for_end(job: Path, end: str, seconds: float) -> None:
    """Wait until RELION knows this end (SUCCESS, FAILURE or ABORTED), and the job script is done.

    RELION is told first: the sentence in run.err and the record of the run follow.
    """
    wait_for((job / f"RELION_JOB_EXIT_{end}").exists, seconds, f"the end of {job.name}")
    wait_for(lambda: has_ended(job), 30, f"the last word of {job.name}'s script")


def has_ended(job: Path) -> bool:
    """Whether nothing more is to come of a job: it was not submitted, or its script is done."""
    record = read_record(job, of_any_run=True)
    return record is None or record.refused is not None or record.run is not None


def processes_of(session: int, *names: str) -> list[int]:
    """The living processes of a job; MPI puts ranks in groups of their own, not in sessions."""
    done = subprocess.run(
        ["ps", "-o", "pid=,stat=,comm=", "--sid", str(session)], capture_output=True, text=True
    )
    rows = [row.split(maxsplit=2) for row in done.stdout.splitlines()]
    return [
        int(pid)
        for pid, state, name in rows
        if not state.startswith("Z") and (not names or name in names)
    ]
