"""The claim on a job's folder: the process that makes this link first has the run of the job.

The job script makes the link before it does anything else (``library/claim.sh``), and stops if it
cannot. Each run of a job that goes on has a claim of its own (run_names.py). A submission that is
given up is claimed as well: the scheduler may have taken the job all the same, and a job that
RELION was told has failed must not run.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from . import entries
from .run_names import claim_link

__all__ = ["Claim", "claiming_job", "give_up", "is_claimed", "read_claim"]

_GIVEN_UP = ", and gave the submission up"
_OF_A_RUN = re.compile(r"(?P<host>[^,]{1,255}), process [0-9]+, [^,]*, job (?P<job>.*)", re.DOTALL)


class Claim(NamedTuple):
    """The claim of a run that has begun.

    Attributes:
        host: the machine of the job script.
        job_id: the scheduler's id of the job; None if the claim tells none that can be.
        made: when, in seconds since 1970, by the clock of the folder's file system.
    """

    host: str
    job_id: str | None
    made: float


def give_up(folder: Path, token: str, number: int = 1) -> bool:
    """Claim the run `number` of the submission `token` so that it never begins; False if its script
    runs already.

    True also if the folder cannot be written: then the job cannot run there either.
    """
    began = time.strftime("%Y-%m-%dT%H:%M:%S")
    owner = f"{os.uname().nodename}, process {os.getpid()}, {began}{_GIVEN_UP}"
    try:
        claim_link(folder, token, number).symlink_to(owner)
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def is_claimed(folder: Path, token: str) -> bool:
    """Whether the submission's script has begun to run."""
    owner = _owner(folder, token, 1)
    return owner is not None and not owner.endswith(_GIVEN_UP)


def claiming_job(folder: Path, token: str, number: int = 1) -> str | None:
    """The scheduler's id of the job that has the claim on this run; None if no job has it.

    Raises:
        ValueError: the claim names something else; the text says so.
    """
    _, _, found = (_owner(folder, token, number) or "").partition(", job ")
    with entries.not_used(f"the claim {claim_link(folder, token, number)}"):
        return entries.job_id({"job id": found or None}, "job id")


def read_claim(folder: Path, token: str, number: int) -> Claim | None:
    """The claim of a run; None if no script has made one.

    Raises:
        ValueError: the claim names something else than a job; the text says so.
    """
    found = _OF_A_RUN.fullmatch(_owner(folder, token, number) or "")
    if found is None:
        return None
    try:
        made = claim_link(folder, token, number).lstat().st_mtime
    except OSError:  # it has gone meanwhile
        return None
    return Claim(found["host"], claiming_job(folder, token, number), made)


def _owner(folder: Path, token: str, number: int) -> str | None:
    """The text of the link, which says who made it."""
    try:
        return str(claim_link(folder, token, number).readlink())
    except OSError:
        return None
