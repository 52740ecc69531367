"""Why is a job not of another type? For the types that take jobs of the same program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..config.job_types import JobType
from ..relion.command import Command
from ..relion.programs import strip_mpi

__all__ = ["OtherType", "other_types"]


class OtherType(NamedTuple):
    """A job type that the job is not of, and why: what the job has or lacks, in a few words."""

    name: str
    why: str


def other_types(
    types: Mapping[str, JobType], taken: str, command: Command, label: str | None
) -> Iterator[OtherType]:
    """The types of the command's program, in file order, but for the one that was `taken`.

    A type that names no program is among them only if the job could be of it.
    """
    later = False
    for name, kind in types.items():
        if name == taken:
            later = True
            continue
        if not kind.matches_jobs:
            continue
        against = next(kind.against(command, label), None)
        if against is None:
            why = f"{taken} stands before it" if later else "another was chosen"
            yield OtherType(name, why)
        elif command.base_program in map(strip_mpi, kind.match_command):
            yield OtherType(name, against)
