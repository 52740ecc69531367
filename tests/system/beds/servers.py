"""Servers of schedulers that are cut off, or take a job late."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ...waiting import wait_for

__all__ = ["Late", "LateServer", "Line"]


class Line(Protocol):
    """The line between the scheduler's commands and its server, which is cut at first.

    Attributes:
        environment: variables under which commands meet the line.
    """

    environment: dict[str, str]

    def open(self) -> None:
        """Let commands through from now on."""


class Late(Protocol):
    """A server that takes a job late.

    Attributes:
        environment: variables under which commands meet it.
    """

    environment: dict[str, str]

    def release(self) -> None:
        """Take the job, with nobody left to hear the answer."""


class LateServer:
    """A wrapper of the submit command that goes on behind the back of whoever called it."""

    def __init__(self, path: Path) -> None:
        self.environment: dict[str, str] = {}
        self.asked, self.told, self.done = (
            path.with_suffix(each) for each in (".asked", ".told", ".done")
        )

    def release(self) -> None:
        """Take the job."""
        self.told.touch()
        wait_for(self.done.exists, 30, "the late submission")
