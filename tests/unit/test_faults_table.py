"""docs/faults.md has a row for each fault of the suite, and the suite a test for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..system.faults.table import FAULTS, Seen, as_page, rows_of

TESTS = Path(__file__).parents[1] / "system" / "faults"
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
NAMES = [fault for faults in FAULTS.values() for fault in faults]


def test_the_page_has_a_row_for_each_fault() -> None:
    page = PAGE.read_text()

    assert rows_of(page) == NAMES
    assert not re.search(r"/(home|tmp|root)/", page), "it tells of the machine that wrote it"


@pytest.mark.parametrize("fault", NAMES)
def test_each_fault_is_tested(fault: str) -> None:
    assert any(f'"{fault}"' in path.read_text() for path in TESTS.glob("test_*.py"))


def test_what_was_seen_stands_in_the_rows() -> None:
    seen = {name: Seen("slurm", "Failed", 1.5, "FAILED 1:0", "nothing", "a | b") for name in NAMES}
    seen[NAMES[0]] = Seen("slurm", "Succeeded", None, "COMPLETED 0:0", "nothing", "")

    page = as_page(seen, "RELION 5")

    assert rows_of(page) == NAMES
    assert "| slurm | Failed | 1.5 | FAILED 1:0 | nothing | a \\| b |" in page
    assert f"{NAMES[0]} | slurm | Succeeded | - |" in page
    with pytest.raises(KeyError):
        as_page({NAMES[0]: seen[NAMES[1]]}, "RELION 5")


def test_what_was_not_looked_at_again_stays() -> None:
    row = Seen("slurm", "Failed", 1.5, "FAILED 1:0", "nothing", "before")
    before = as_page(dict.fromkeys(NAMES, row), "RELION 5")

    page = as_page({NAMES[1]: row._replace(seconds=9.0, sentence="now")}, "RELION 5", before)

    assert rows_of(page) == NAMES
    assert page.count(" | before |") == len(NAMES) - 1
    assert f"| {NAMES[1]} | slurm | Failed | 9.0 | FAILED 1:0 | nothing | now |" in page
    assert f"{len(NAMES)} of these faults end a job" in page
    assert "all within 9 s" in page
