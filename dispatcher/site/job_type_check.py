"""Does each job type get jobs, or does an earlier one take all of them?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from ..config.job_types import JobType
from ..config.places import config_path
from ..relion.programs import strip_mpi

__all__ = ["job_type_problems", "named", "shadowed"]


def job_type_problems(types: Mapping[str, JobType]) -> Iterator[str]:
    """A sentence for each job type that can never match."""
    for earlier, later in shadowed(types):
        yield (
            f'{config_path("dispatch_config.json")}: job type "{later}" can never match, because '
            f'"{earlier}" comes first and takes all its jobs: change their order, or remove one of '
            "them."
        )


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


def named(types: Sequence[str]) -> str:
    """Job types as a sentence names them: 'job types "a", "b", "c" and 2 more'.

    Four are named: "and 1 more" is no shorter than a name.
    """
    if len(types) == 1:
        return f'job type "{types[0]}"'
    shown = types if len(types) <= 4 else types[:3]
    more = f" and {len(types) - 3} more" if len(types) > 4 else ""
    return f"job types {', '.join(map(json.dumps, shown))}{more}"
