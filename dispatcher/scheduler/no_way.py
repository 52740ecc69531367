"""What may go wrong between this machine and the one on which a scheduler's commands run."""

from __future__ import annotations

import errno
from typing import Literal, TypeAlias

__all__ = ["Lacks", "LostError", "NoWayError"]

Lacks: TypeAlias = Literal["folder", "program", "file"]


class NoWayError(OSError):
    """The other machine does not run a command; nothing was started there.

    Attributes:
        what: what is wrong, in a clause.
        todo: what to do next, in a clause; None if that may pass by itself.
        lacks: what the other machine lacks, if it is that.
    """

    def __init__(self, what: str, todo: str | None = None, lacks: Lacks | None = None) -> None:
        super().__init__(what)
        self.what, self.todo, self.lacks = what, todo, lacks

    def __str__(self) -> str:
        return f"{self.what}: {self.todo}" if self.todo else self.what


class LostError(OSError):
    """The connection was lost while a command ran: nobody knows how the command ended."""

    def __init__(self, machine: str) -> None:
        super().__init__(errno.EPIPE, f"the connection to {machine} was lost")
