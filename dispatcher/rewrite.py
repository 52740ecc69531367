"""Rewriting RELION's parameters: what a job type's lineage takes out and puts in."""

from __future__ import annotations

from collections.abc import Sequence

from .command import Command
from .job_types import JobType
from .shell_words import split

__all__ = ["rewrite"]


def rewrite(command: Command, levels: Sequence[JobType]) -> Command:
    """Remove, then add, level by level from the base to the leaf.

    A name that begins with a dash is used as written (``-d``), any other gets two. A value is
    shell text: ``"\\"\\""`` is an empty argument, ``""`` (or true) a flag without a value.
    """
    for level in levels:
        for name in level.relion_remove_parameter:
            command = command.without(name)
        for name, value in level.relion_add_parameter.items():
            option = name if name.startswith("-") else f"--{name}"
            command = command.with_option(option, () if value is True else split(str(value)))
    return command
