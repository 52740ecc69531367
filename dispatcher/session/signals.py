"""How a session sleeps, is woken and told to end, and how it tells RELION."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from ..host import programs
from .folder import session_pids

__all__ = ["pass_on", "send", "signals_to_end", "waiting"]

_AT_LATEST = 0.5  # seconds of sleep, if nobody rings


@contextmanager
def signals_to_end() -> Iterator[list[int]]:
    """Collect the signals that ask us to end, those that we were not started to ignore."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:  # That one only wakes us.
            received.append(number)

    numbers = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if number == signal.SIGCHLD or handler != signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def waiting(bell: Path) -> Iterator[Callable[[], None]]:
    """A wait that a client's ring or a signal ends, or else some time."""
    # Open for writing too, or it would always be readable once a client has closed it.
    rung = os.open(bell, os.O_RDWR | os.O_NONBLOCK)
    before = signal.set_wakeup_fd(rung, warn_on_full_buffer=False)

    def wait() -> None:
        if select.select([rung], [], [], _AT_LATEST)[0]:
            os.read(rung, 4096)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before)
        os.close(rung)


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
