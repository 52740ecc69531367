"""Handing a job script to its scheduler, by argument list and without a shell."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import host
from .cache import runtime_folder
from .errors import SubmitError
from .site import Scheduler

__all__ = ["Submitted", "lock_file", "submit"]


class Submitted(NamedTuple):
    """The job id, and what the submit command printed."""

    job_id: str
    output: str


def lock_file() -> Path:
    """The lock that jobs which run one at a time on this machine wait for.

    Raises:
        SubmitError: no private folder can be had for it.
    """
    folder = runtime_folder()
    if folder is None:
        raise SubmitError(
            f"/tmp/relion-dispatch-{os.getuid()} is not a private folder of this user: remove it, "
            "or name another in RELION_DISPATCH_RUNTIME, and submit the job again."
        )
    return folder / "local.lock"


def submit(scheduler: Scheduler, argv: Sequence[str], project: Path) -> Submitted:
    """Run the submit command in the project's folder and read the job id.

    Raises:
        SubmitError: the command is missing, fails, hangs, or names no job id.
    """
    # A user's SBATCH_* would silently override the script's own directives.
    overriding = [name for name in os.environ if name.startswith("SBATCH_")]
    try:
        if scheduler.detached:
            return Submitted(str(host.detached(argv, cwd=project, unset=overriding)), "")
        done = host.run(argv, cwd=project, timeout=scheduler.timeout, unset=overriding)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the shell around the appliance
            raise SubmitError(
                f"The job may have been submitted, but nobody is left who could tell "
                f"({error.strerror}): look at the queue before you submit it again."
            ) from error
        raise SubmitError(
            f'The submit command "{argv[0]}" cannot be started ({error.strerror}): name it in '
            "site.json, or load the module that brings it."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SubmitError(
            f'The submit command "{argv[0]}" did not answer within {scheduler.timeout:g} s: it may '
            "have taken the job all the same, so look at the queue before you submit it again."
        ) from error
    output = (done.stdout + done.stderr).strip()
    if done.status != 0:
        raise SubmitError(
            f'The submit command "{argv[0]}" failed with status {done.status}: '
            f"{_short(output) or 'it printed nothing'}"
        )
    found = re.search(scheduler.job_id or r"(\d+)", done.stdout, re.MULTILINE)
    if not found:
        raise SubmitError(
            f'The submit command "{argv[0]}" named no job id (it printed: '
            f'"{_short(output)}"): look at the queue before you submit the job again.'
        )
    return Submitted(found[1], output)


def _short(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:400]
