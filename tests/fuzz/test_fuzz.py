"""Cases of all kinds: two minutes of them in CI, a million with ``tests/run.sh long``."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .kinds import KINDS
from .page import set_row
from .search import search
from .world import World


@pytest.mark.parametrize("name", KINDS)
def test_nothing_breaks(name: str, world: World) -> None:
    search(KINDS[name], world, 0, KINDS[name].short)


@pytest.mark.long
@pytest.mark.parametrize("name", KINDS)
def test_nothing_breaks_in_many_cases(name: str, world: World) -> None:
    """The seed is another one each day; the row says which, and how many cases were tried."""
    page = os.environ.get("UPDATE_FUZZING")
    seed = int(os.environ.get("FUZZ_SEED") or time.strftime("%Y%m%d000"))
    cases = round(KINDS[name].long * float(os.environ.get("FUZZ_SHARE") or 1))
    if page:
        set_row(Path(page), name, None)
    began = sum(os.times()[:4])
    search(KINDS[name], world, seed, cases)
    each = (sum(os.times()[:4]) - began) / cases * 1000  # ms of processor time
    if page:
        today = time.strftime("%Y-%m-%d")
        set_row(Path(page), name, (f"{cases:,}", "0", f"{each:.1f}", str(seed), today))
