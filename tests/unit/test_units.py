"""Numbers with their nouns: one thing is not said in the plural."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from dispatcher.config.places import shipped_folder
from dispatcher.units import count

MODULES = sorted((shipped_folder() / "dispatcher").rglob("*.py"))


@pytest.mark.parametrize(
    ("number", "noun", "says"),
    [
        (1, "problem", "1 problem"),
        (0, "problem", "0 problems"),
        (2, "GPU", "2 GPUs"),
        (1, "class", "1 class"),
        (3, "class", "3 classes"),
        (2, "body", "2 bodies"),
        (2, "day", "2 days"),
        (2, "box", "2 boxes"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_number_with_its_noun(number: int, noun: str, says: str) -> None:
    assert count(number, noun) == says


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(path.parents[2])))
def test_what_was_counted_is_said_by_count(path: Path) -> None:
    """No f"{len(x)} files", which says "1 files"; bytes are never one."""
    found = [
        ast.unparse(number) + behind.value
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.JoinedStr)
        for number, behind in zip(text.values, text.values[1:], strict=False)
        if isinstance(number, ast.FormattedValue)
        and isinstance(behind, ast.Constant)
        and isinstance(number.value, ast.Call)
        and ast.unparse(number.value.func) == "len"
        and re.match(r" (?!bytes)[a-z]+s\b", str(behind.value))
    ]

    assert found == []
