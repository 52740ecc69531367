"""docs/fuzzing.md has a row for each kind of input that is fuzzed, and enough cases in all."""

from __future__ import annotations

from pathlib import Path

from ..fuzz.kinds import KINDS
from ..fuzz.page import rows_of, set_row

PAGE = Path(__file__).parents[2] / "docs" / "fuzzing.md"


def test_each_kind_has_a_row_and_no_find_is_open() -> None:
    rows = rows_of(PAGE.read_text())

    assert list(rows) == list(KINDS)
    assert {cells[1] for cells in rows.values()} == {"0"}


def test_a_million_cases_were_tried_in_process_and_ten_thousand_through_the_hook() -> None:
    """As many as the long run has; a row of a part of it (FUZZ_SHARE) is not enough."""
    tried = {
        name: int(cells[0].replace(",", "")) for name, cells in rows_of(PAGE.read_text()).items()
    }

    for programs, least in ((False, 1_000_000), (True, 10_000)):
        kinds = {name: kind for name, kind in KINDS.items() if kind.programs == programs}
        assert sum(kind.long for kind in kinds.values()) >= least
        assert sum(tried[name] for name in kinds) >= least


def test_a_row_is_renewed_in_its_place_and_goes_when_something_was_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.touch()
    first, second, *_ = KINDS

    set_row(page, second, ("1", "0", "2.0", "7", "2026-01-02"))
    set_row(page, first, ("2", "0", "2.0", "7", "2026-01-02"))
    set_row(page, second, ("3", "0", "2.0", "7", "2026-01-03"))

    rows = rows_of(page.read_text())
    assert [(name, cells[0]) for name, cells in rows.items()] == [(first, "2"), (second, "3")]
    set_row(page, first, None)
    assert list(rows_of(page.read_text())) == [second]
