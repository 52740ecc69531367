"""docs/faults.md has a row for each fault on each scheduler, and the suite a test for each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..system.beds import BEDS as CLUSTERS
from ..system.faults.conftest import EACH_TIME, EACH_TIME_LOCALLY, NOT_EACH_TIME
from ..system.faults.page import Seen, as_page, seen_in
from ..system.faults.table import COLUMNS, FAULTS

TESTS = Path(__file__).parents[1] / "system" / "faults"
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEDS = {fault: beds for faults in FAULTS.values() for fault, beds in faults.items()}
WANTED = [(fault, bed) for fault, beds in BEDS.items() for bed in beds]


@pytest.mark.parametrize("bed", COLUMNS)
def test_the_page_has_a_row_for_each_fault(bed: str) -> None:
    found = seen_in(PAGE.read_text())

    assert [fault for fault, each in found if each == bed] == [
        fault for fault, each in WANTED if each == bed
    ]


def test_the_page_tells_what_ran_and_when() -> None:
    page = PAGE.read_text()

    for name in COLUMNS.values():
        assert re.search(rf"^- \*\*{re.escape(name)}\*\*: .* \d+ \w+ 20\d\d$", page, re.MULTILINE)
    assert not re.search(r"/(home|tmp|root)/", page), "it tells of the machine that wrote it"


@pytest.mark.parametrize("fault", BEDS)
def test_each_fault_is_tested(fault: str) -> None:
    assert any(f'"{fault}"' in path.read_text() for path in TESTS.glob("test_*.py"))


def test_each_cluster_has_a_column() -> None:
    assert {*CLUSTERS, "local"} == {*COLUMNS}


def test_ten_faults_run_each_time_on_each_cluster() -> None:
    text = "".join(path.read_text() for path in TESTS.glob("test_*.py"))
    on_a_bed = {*re.findall(r"^def (test_\w+)\([^)]*\bbed: ", text, re.MULTILINE)}
    locally = {*re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)} - on_a_bed

    assert len(EACH_TIME) == 10
    assert on_a_bed - NOT_EACH_TIME >= EACH_TIME
    assert on_a_bed >= NOT_EACH_TIME
    assert locally >= EACH_TIME_LOCALLY


ROW = Seen("Failed", 1.5, "FAILED 1:0", "nothing", "a | b")


def test_what_was_seen_stands_in_the_rows() -> None:
    seen = dict.fromkeys(WANTED, ROW)
    seen[WANTED[0]] = Seen("Succeeded", None, "COMPLETED 0:0", "nothing", "")
    fault, bed = WANTED[0]

    page = as_page(seen, {bed: "Slurm 1, today"})

    assert seen_in(page) == seen
    assert f"- **{COLUMNS[bed]}**: Slurm 1, today\n" in page
    assert f"| {fault} |  | Succeeded | Failed, 1.5 s | " in page
    assert f"| {fault} | {COLUMNS[bed]} | Succeeded | - |" in page
    assert f"{len(WANTED) - 1} times a fault ended a job" in page


def test_what_was_not_looked_at_again_stays() -> None:
    before = as_page(dict.fromkeys(WANTED, ROW), {"pbs": "before", "lsf": "before"})

    new = ROW._replace(seconds=9.0, sentence="now")
    page = as_page({WANTED[1]: new}, {"lsf": "now"}, before)

    assert seen_in(page) == dict.fromkeys(WANTED, ROW) | {WANTED[1]: new}
    assert f"- **{COLUMNS['pbs']}**: before\n- **{COLUMNS['lsf']}**: now\n" in page
    assert "all within 9 s" in page


def test_a_fault_that_is_in_no_row_is_missed() -> None:
    page = as_page({WANTED[1]: ROW}, {})

    assert seen_in(page) == {WANTED[1]: ROW}
