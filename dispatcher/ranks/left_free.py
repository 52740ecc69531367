"""Whose ``--free_gpu_memory`` holds: the user's, the job type's, or what the ranks' race asks for.

The largest does (:mod:`..memory.pool_race`). A value that is no number here, as a variable that the
node expands, can be compared with nothing: any number goes before it, and a sentence says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..config.job_types import JobType
from ..relion.command import Command
from ..units import real_number

__all__ = ["OPTION", "Larger", "larger", "megabytes", "not_counted"]

OPTION = "free_gpu_memory"
_MOST = 10**9  # MB


class Larger(NamedTuple):
    """The user's value if it stays in the place of a job type's, else None; and why."""

    users: str | None = None
    reason: str = ""


def megabytes(text: str | None) -> float | None:
    """The option's value in MB of 10^6 bytes, 0 for none; None if it is no number as it stands.

    RELION takes none below 0 (ml_optimiser.cpp:980, 5.0.1). More than any GPU has is that.
    """
    found = real_number(text or "0")
    return None if found is None or found < 0 else min(found, _MOST)


def larger(original: Command, changed: Command, levels: Sequence[JobType]) -> Larger:
    """The larger of the values of the user's `original` command, and as the `levels` `changed` it.

    A job type that takes the option out of the command has chosen to pass over the user's.
    """
    users, types = original.value(OPTION), changed.value(OPTION)
    removed = [name.lstrip("-") for level in levels for name in level.relion_remove_parameter]
    if not users or users == types or OPTION in removed:
        return Larger()
    given, added = megabytes(users), megabytes(types)
    if given is not None and given == added:
        return Larger()
    if given is not None and given > (added or 0):
        why = "is smaller" if added is not None else _why_not(types)
        stays = f"--{OPTION} {users} stays as the command has it"
        return Larger(users, f"{stays}: the job type's {types or 'empty value'} {why}.")
    why = "is smaller"
    if given is None:
        why = f"{_why_not(users)}, so the two cannot be compared"
    return Larger(None, f"--{OPTION} {types} is the job type's: the command's {users} {why}.")


def not_counted(command: Command, written: int | None) -> tuple[str, ...]:
    """The sentence on a value of `command` that the fit cannot count, if there is one.

    `written`: MB that the plan writes in its place, None for none.
    """
    text = command.value(OPTION)
    if megabytes(text) is not None:
        return ()
    end = "does not count"
    if written is not None:
        end = f"does not count, so {written} takes its place: give a number to leave more free"
    return (f"--{OPTION} {text} {_why_not(text)}, and {end}.",)


def _why_not(text: str | None) -> str:
    """Why the value says nothing of megabytes."""
    is_number = real_number(text or "0") is not None
    return "is below 0, which RELION does not take" if is_number else "is no number here"
