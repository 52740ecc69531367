"""The names of the files that each run of a job has in the job's folder.

A job that goes on has several runs, numbered from 1 (docs/going-on.md). What the only run, or the
last one, leaves has the submission's token alone in its name, so that a job of one run has the same
files whether or not it might have gone on.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..config.goes_on import MOST_TIMES

__all__ = ["MOST_RUNS", "claim_link", "job_id_file", "lease_file", "newest_number", "run_file",
           "unfinished_run_file"]  # fmt: skip

MOST_RUNS = MOST_TIMES + 1
_NUMBER = r"([1-9][0-9]{0,3})"


def run_file(folder: Path, token: str, number: int | None = None) -> Path:
    """How a run went: of the last one, once the job has ended; or of a run after which the job went
    on, by its number."""
    return folder / f"dispatch.run.{token}{'' if number is None else f'.{number}'}"


def unfinished_run_file(folder: Path, token: str, number: int) -> Path:
    """What the script of a run leaves of such a file if it is killed while it writes."""
    return folder / f".dispatch.run.{token}{_after_the_first(number)}.new"


def claim_link(folder: Path, token: str, number: int = 1) -> Path:
    """The claim of a run on the folder."""
    return folder / f".dispatch_claim.{token}{_after_the_first(number)}"


def lease_file(folder: Path, token: str, number: int) -> Path:
    """What a run renews while it runs."""
    return folder / f".dispatch_lease.{token}.{number}"


def job_id_file(folder: Path, token: str, number: int = 1) -> Path:
    """The note on the id of the job that is to be this run."""
    return folder / f".dispatch_id.{token}{_after_the_first(number)}"


def newest_number(folder: Path, token: str) -> int:
    """The highest number of a run of which there is a file; 1 if none has a number.

    A job's folder may have many files, so only those jobs are to be asked about that go on.
    """
    kinds = r"dispatch\.run|\.dispatch_(?:claim|lease|id)"
    form = re.compile(rf"(?:{kinds})\.{re.escape(token)}\.{_NUMBER}")
    try:
        with os.scandir(folder) as entries:
            found = [form.fullmatch(entry.name) for entry in entries]
    except OSError:
        return 1
    return max((int(each[1]) for each in found if each), default=1)


def _after_the_first(number: int) -> str:
    return f".{number}" if number > 1 else ""
