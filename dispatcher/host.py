"""Running programs on the host: the scheduler's, Apptainer, a job itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Finished", "attached", "detached", "run", "which"]


class Finished(NamedTuple):
    """How a program ended: exit status (negative for a signal), and what it printed."""

    status: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    timeout: float | None = None,
    unset: Collection[str] = (),
) -> Finished:
    """Run a program without input and keep what it prints.

    `timeout` is in seconds; `unset` names variables that it is not to see.

    Raises:
        OSError: the program cannot be started.
        subprocess.TimeoutExpired: it did not end in time; it was killed.
    """
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=_environment(unset),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        text=True,
        errors="replace",
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def attached(argv: Sequence[str], *, cwd: Path | None = None) -> int:
    """Run a program on the user's own terminal; its exit status.

    Raises:
        OSError: the program cannot be started.
    """
    return subprocess.run(argv, cwd=cwd).returncode


def detached(argv: Sequence[str], *, cwd: Path | None = None, unset: Collection[str] = ()) -> int:
    """Start a program in a session of its own, without terminal; its process id.

    Raises:
        OSError: the program cannot be started.
    """
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env=_environment(unset),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ).pid


def which(program: str) -> str | None:
    """The path of a program, None where it is not found."""
    return shutil.which(program)


def _environment(unset: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in unset}
