"""SECURITY.md: each promise names tests, and there are these tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = (
    (ROOT / "SECURITY.md")
    .read_text()
    .partition("## What is promised, and how it is tried\n")[2]
    .partition("\n## ")[0]
)
HEADER = "| promise | attack | test |"
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    for line in SECTION.splitlines()
    if line.startswith("|") and not line.startswith(("|---", HEADER))
]
NAMED = re.findall(r"`(tests/[^`]*)`", "\n".join(row[-1] for row in ROWS))


def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef)
    }


def test_each_row_is_a_promise_an_attack_and_its_tests() -> None:
    assert len(ROWS) >= 35
    promise = ""
    for row in ROWS:
        assert len(row) == 3, row
        promise = row[0] or promise  # a further attack on the promise above
        assert promise
        assert row[1]
        # Nothing but the names of tests.
        tests = r"`tests/[\w./]+\.py::test_\w+`"
        assert re.fullmatch(rf"{tests}(, {tests})*", row[2]), row[2]


@pytest.mark.parametrize("named", NAMED)
def test_the_test_exists(named: str) -> None:
    file, _, name = named.partition("::")

    assert name in functions(ROOT / file), f"SECURITY.md names {named}"


def test_each_promise_stands_once() -> None:
    promises = [row[0] for row in ROWS if row[0]]

    assert len(set(promises)) == len(promises)


def test_each_table_begins_with_a_promise() -> None:
    tables = SECTION.split(HEADER + "\n|---|---|---|\n")[1:]

    assert len(tables) >= 5
    assert not [table[:80] for table in tables if not table.startswith("| ") or table[2] == "|"]


def test_no_test_is_named_twice() -> None:
    assert len(set(NAMED)) == len(NAMED)
