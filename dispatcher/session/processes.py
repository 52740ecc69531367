"""The programs of a session's container: which they are, and signals to them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..host import programs

__all__ = ["pass_on", "send", "session_pids"]


def session_pids(folder: Path, lock: int) -> list[int]:
    """The process ids that inherited the session's lock: Apptainer, RELION, all they started."""
    found = []
    for descriptor in Path("/proc").glob(f"[0-9]*/fd/{lock}"):
        try:
            if descriptor.samefile(folder):
                found.append(int(descriptor.parts[2]))
        except OSError:
            continue  # ended meanwhile
    return [process for process in found if process != os.getpid()]


def pass_on(number: int, container: programs.Started, folder: Path, lock: int) -> None:
    """Send a signal to RELION itself, or to Apptainer while it is still starting RELION."""
    try:
        program = int((folder / "program").read_text())
    except (OSError, ValueError):
        program = 0  # not started yet
    known = program in session_pids(folder, lock)
    send(number, [program if known else container.pid])


def send(number: int, processes: Iterable[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)
