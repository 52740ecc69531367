"""Job types that no job can ever reach, as one before them takes all that they match."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase

from ..config.job_types import JobType
from ..relion.programs import strip_mpi

__all__ = ["shadowed"]


def shadowed(types: Mapping[str, JobType]) -> Iterator[tuple[str, str]]:
    """Pairs (earlier, later) where every job of the later type already matches the earlier one."""
    matching = [(name, kind) for name, kind in types.items() if kind.matches_jobs]
    for at, (later, kind) in enumerate(matching):
        for earlier, other in matching[:at]:
            if _takes_all(other, kind):
                yield earlier, later
                break


def _takes_all(wide: JobType, narrow: JobType) -> bool:
    def within(inner: list[str], outer: list[str], covers: Callable[[str, str], bool]) -> bool:
        return not outer or (bool(inner) and all(any(covers(i, o) for o in outer) for i in inner))

    return (
        within(narrow.match_command, wide.match_command, lambda i, o: strip_mpi(i) == strip_mpi(o))
        and set(wide.match_parameter) <= set(narrow.match_parameter)
        and set(wide.nomatch_parameter) <= set(narrow.nomatch_parameter)
        and within(narrow.match_label, wide.match_label, fnmatchcase)
    )
