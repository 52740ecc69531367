"""A case with the limits of all inputs (tests/limits.py), and one for waiting."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ..limits import MEMORY, SECONDS, limit_memory

__all__ = ["TookTooLong", "limited", "limits_of_a_program"]

WAITING = 30  # seconds on the clock: a case that waits for ever takes no processor time
_PYTHON = 100_000_000  # bytes that a Python with the dispatcher's libraries takes by itself


class TookTooLong(BaseException):
    """A case took more than its processor time, or waited: no `except Exception` may hide that."""


@contextmanager
def limited() -> Iterator[None]:
    """Limit what happens in the block: then MemoryError and TookTooLong are raised.

    A call of C code that never comes back to Python ends the process, by the kernel's hand.
    """
    before = {number: signal.signal(number, _raise) for number in (signal.SIGPROF, signal.SIGALRM)}
    old = limit_memory()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_VIRTUAL, 10 * SECONDS)  # SIGVTALRM ends a process
    signal.setitimer(signal.ITIMER_REAL, WAITING)
    try:
        yield
    finally:
        for timer in (signal.ITIMER_PROF, signal.ITIMER_VIRTUAL, signal.ITIMER_REAL):
            signal.setitimer(timer, 0)
        resource.setrlimit(resource.RLIMIT_AS, old)
        for number, handler in before.items():
            signal.signal(number, handler)


def limits_of_a_program() -> None:
    """Limit a program that is about to start: the kernel ends it, or gives it no more memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (_PYTHON + MEMORY, _PYTHON + MEMORY))


def _raise(number: int, _: object) -> None:
    raise TookTooLong(f"{SECONDS} s of processor time, or {WAITING} s of waiting: {number}")
