"""Which of the jobs in RELION's list are jobs of this project? Their folders are looked into.

The list may be of another person's making, and a name in it could lead anywhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..relion.pipeline import PIPELINE, Process, read_processes

__all__ = ["ListedJobs", "listed_jobs"]

# RELION's name of a job: a folder below that of its kind, in the project.
_NAME = re.compile(r"(?!\.)[^/\x00-\x1f\x7f]{1,255}/job[0-9]{3,9}")


class ListedJobs(NamedTuple):
    """The project's jobs, each once, in RELION's order; a sentence if something else is listed."""

    jobs: tuple[Process, ...]
    problem: str | None


def listed_jobs(project: Path) -> ListedJobs:
    """Read the project's pipeline.

    Raises:
        InputError: there is no pipeline, or it is damaged.
    """
    found: dict[str, Process] = {}
    others: dict[str, None] = {}
    for process in read_processes(project):
        if _NAME.fullmatch(process.name):
            found.setdefault(process.name, process)
        else:
            others[process.name] = None
    problem = others and (
        f"{project / PIPELINE} lists names that cannot be jobs of this project ({len(others)}), "
        f'such as "{next(iter(others))[:100]}": relion-dispatch passes over them.'
    )
    return ListedJobs(tuple(found.values()), problem or None)
