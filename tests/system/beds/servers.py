"""Servers of schedulers that are cut off, or take a job late."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ...waiting import wait_for

__all__ = ["Late", "LateServer", "Line", "Silence"]


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


class Silence:
    """A server that a job's script meets no longer, or again.

    A scheduler may give a job the variables of its node. So the script's commands are wrappers that
    take another server.

    Attributes:
        environment: for the job's submission.
    """

    def __init__(self, folder: Path, commands: Iterable[str], nobody: str) -> None:
        """
        Args:
            folder: to be made for the wrappers.
            commands: the scheduler's, which ask the server.
            nobody: the variable, as NAME=VALUE, with which they ask where nobody listens.
        """
        folder.mkdir()
        self._down, self._asked = folder / "down", folder / "asked"
        for command in commands:
            program = folder / command
            program.write_text(
                f"#!/bin/bash\n[ ! -e {self._down} ] || export {nobody}\n"
                f"[ ! -e {self._down} ] || touch {self._asked}\n"
                f'exec {shutil.which(command)} "$@"\n'
            )
            program.chmod(0o755)
        self.environment = {"PATH": f"{folder}:{os.environ['PATH']}"}

    def begin(self) -> None:
        """Nobody listens from now on."""
        self._down.touch()

    def was_asked(self) -> bool:
        """Whether the job's script has asked, while nobody listened."""
        return self._asked.exists()

    def end(self) -> None:
        """Somebody listens again."""
        self._down.unlink()
