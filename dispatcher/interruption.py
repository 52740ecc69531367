"""How a signal ends the hook: by one KeyboardInterrupt, and never while RELION is being told.

More signals may come while the first is answered, as a terminal that closes sends one and a
scheduler's time limit another: an exception for each would leave what the first one began undone.
Standard library only, and no other module of ours: signals come while these are loaded.
"""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["ignore_signals", "raise_if_interrupted", "raise_once"]

# From a terminal, a person or a scheduler; SIGXCPU where login nodes limit the processor time.
_FROM_OUTSIDE = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_RARELY = (signal.SIGQUIT, signal.SIGXCPU, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)


class _Handler:
    """The handler of all these signals: it raises at the first one, until nobody wants it to."""

    def __init__(self) -> None:
        self.raises = True
        self.called = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.called = True
        if self.raises:
            self.raises = False
            raise KeyboardInterrupt


def raise_once() -> None:
    """Let the first signal from now on raise KeyboardInterrupt."""
    handler = _Handler()
    for number in (*_FROM_OUTSIDE, *_RARELY):
        signal.signal(number, handler)


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt if a signal came, and code that is not ours kept its exception."""
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, _Handler) and handler.called:
        raise KeyboardInterrupt


def ignore_signals() -> None:
    """Let no signal end or interrupt this process any longer, nor what it starts from now on."""
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, _Handler):
        handler.raises = False
    for number in _FROM_OUTSIDE:
        signal.signal(number, signal.SIG_IGN)
