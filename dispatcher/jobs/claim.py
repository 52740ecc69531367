"""The claim on a job's folder: the process that makes this link first has the job.

The job script makes the link before it does anything else (``library/claim.sh``), and stops if it
cannot. A submission that is given up is claimed as well: the scheduler may have taken the job all
the same, and a job that RELION was told has failed must not run.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from . import entries

__all__ = ["claiming_job", "give_up", "is_claimed"]

_GIVEN_UP = ", and gave the submission up"


def give_up(folder: Path, token: str) -> bool:
    """Claim the submission `token` so that it never runs; False if its script runs already.

    True also if the folder cannot be written: then the job cannot run there either.
    """
    began = time.strftime("%Y-%m-%dT%H:%M:%S")
    owner = f"{os.uname().nodename}, process {os.getpid()}, {began}{_GIVEN_UP}"
    try:
        _link(folder, token).symlink_to(owner)
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def is_claimed(folder: Path, token: str) -> bool:
    """Whether the submission's script has begun to run."""
    owner = _owner(folder, token)
    return owner is not None and not owner.endswith(_GIVEN_UP)


def claiming_job(folder: Path, token: str) -> str | None:
    """The scheduler's id of the job that has the claim; None if no job has it.

    Raises:
        ValueError: the claim names something else; the text says so.
    """
    _, _, found = (_owner(folder, token) or "").partition(", job ")
    with entries.not_used(f"the claim {_link(folder, token)}"):
        return entries.job_id({"job id": found or None}, "job id")


def _owner(folder: Path, token: str) -> str | None:
    """The text of the link, which says who made it."""
    try:
        return str(_link(folder, token).readlink())
    except OSError:
        return None


def _link(folder: Path, token: str) -> Path:
    return folder / f".dispatch_claim.{token}"
