"""The claim on a job's folder: whoever makes this link first has the job, on whichever machine.

The job script makes it before it does anything else (``library/claim.sh``), and stops where it
cannot. A submission that is given up is claimed as well, so that what the scheduler may have taken
all the same does not run once RELION was told that it failed.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["give_up", "is_claimed"]

_GIVEN_UP = ", and gave the submission up"


def give_up(folder: Path, token: str) -> bool:
    """Claim the submission `token` so that it never runs; False where its script runs already.

    A folder that cannot be written is no place for a job either: then True.
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
    try:
        return not str(_link(folder, token).readlink()).endswith(_GIVEN_UP)
    except OSError:
        return False


def _link(folder: Path, token: str) -> Path:
    return folder / f".dispatch_claim.{token}"
