"""What wakes the launcher of a session: a client's ring, or a signal to end."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

__all__ = ["signals_to_end", "waiting"]

_AT_LATEST = 0.5  # seconds of sleep, if nobody rings


@contextmanager
def signals_to_end() -> Iterator[list[int]]:
    """Collect the signals that ask us to end, unless we were started to ignore them."""
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
    """A wait that ends when a client rings, when a signal comes, or after half a second."""
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
