"""Search a kind for cases that break what must hold; Hypothesis makes what it finds small."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from .kinds import Kind
from .limits import TookTooLong, limited
from .world import World

__all__ = ["search"]

AT_A_TIME = 2_000  # cases; Hypothesis remembers all that it has tried


def search(kind: Kind, world: World, first_seed: int, count: int) -> None:
    """Try `count` cases; the same seed makes the same cases.

    Raises:
        Exception: what the smallest case raised that was found; it says how to make it again.
    """
    cases = kind.cases(world)

    def each(case: Any) -> None:
        try:
            with nullcontext() if kind.programs else limited():  # programs have their own
                kind.check(world, case)
        except TookTooLong as error:  # which Hypothesis does not make small
            error.add_note(f"case={case!r}")
            raise

    for number in range(-(-count // AT_A_TIME)):
        found = settings(
            max_examples=min(AT_A_TIME, count - number * AT_A_TIME),
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )(seed(first_seed + number)(given(cases)(each)))
        try:
            found()
        except BaseException as error:
            error.add_note(f"seed {first_seed + number}")
            raise
