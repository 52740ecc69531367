"""Who submits: the user's name and groups, and what that user's environment says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from ..host import programs

__all__ = ["Submitter", "whoever_submits"]

_PATIENCE = 20  # seconds for the answer of `id`, which may ask a directory service


class Submitter:
    """Whoever submits a job; names are looked up when a rule of the site asks for them.

    Attributes:
        environment: the variables of that user.
        made_up: nobody submits; the job is one of `check`'s, and may run wherever it is tried.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, made_up: bool = False) -> None:
        self.environment: Mapping[str, str] = environment or {}
        self.made_up = made_up

    @cached_property
    def user(self) -> str:
        """The user's name; "" if nobody knows it."""
        return _asked(["id", "-un"]).strip()

    @cached_property
    def groups(self) -> frozenset[str]:
        """The names of the user's groups."""
        return frozenset(_asked(["id", "-Gn"]).split())

    def group_of(self, folder: Path) -> str:
        """The name of the group that owns a folder; "" if nobody knows it."""
        name = _asked(["stat", "-L", "-c", "%G", "--", str(folder)]).strip()
        return "" if name == "UNKNOWN" else name


def whoever_submits() -> Submitter:
    """The user of this process."""
    return Submitter(os.environ)


def _asked(command: list[str]) -> str:
    """What the host answers, whose users the appliance does not know; "" for no answer."""
    try:
        return programs.run(command, timeout=_PATIENCE).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
