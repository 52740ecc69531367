"""Each side looks for the other's file in the project's folder: how late, and by which clock?

A thread looks, because the scheduler's commands take their time, and that is no delay of files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .facts import Facts

__all__ = ["PATIENCE", "Meeting", "meetings_held"]

PATIENCE = 90  # seconds: file systems keep names in memory for up to a minute
_PAUSE = 0.1  # seconds between two looks


class Meeting:
    """A job's file `here` is answered by `ping`, which the job answers by `pong`.

    Attributes:
        found: `round_trip`, seconds from `ping` to `pong` as this side saw it; `offset`, how far
            the node's clock is ahead; `uncertainty` of that; `link_seen`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = folder, Facts()
        self._pinged_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the job's answer is still waited for."""
        if self._pinged_at is None or "round_trip" in self.found:
            return False
        return time.time() - self._pinged_at < PATIENCE

    def look(self) -> None:
        """Look for the job's next file, and answer it."""
        if self._pinged_at is None:
            if (self.folder / "here").exists():
                self._pinged_at = time.time()
                _put(self.folder / "ping")
        elif "round_trip" not in self.found:
            if (self.folder / "pong").exists():
                self._note(time.time(), self._pinged_at)
        elif "link_seen" not in self.found and (self.folder / "link").exists():
            both = (self.folder / "link").stat().st_nlink == 2
            self.found.add("link_seen", "yes" if both else "no")

    def _note(self, seen_at: float, pinged_at: float) -> None:
        with suppress(ValueError):
            there = float((self.folder / "pong").read_text())
            self.found.add("offset", there - (seen_at + pinged_at) / 2)
            self.found.add("uncertainty", (seen_at - pinged_at) / 2)
        self.found.add("round_trip", seen_at - pinged_at)


@contextmanager
def meetings_held(meetings: Sequence[Meeting]) -> Iterator[None]:
    """Look for all jobs' files while the block runs."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_PAUSE):
            for meeting in meetings:
                with suppress(OSError):
                    meeting.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _put(path: Path) -> None:
    new = path.with_name(f".{path.name}.new")
    new.touch()
    new.rename(path)
