"""Each function of the library is tested by itself, and bash reads each file as it stands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .conftest import JOB_TEMPLATE

FILES = [*JOB_TEMPLATE.glob("library/*.sh"), *JOB_TEMPLATE.glob("schedulers/*/functions.sh")]
# The tests, and what they share.
TESTS = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_each_function_is_called_by_a_test(path: Path) -> None:
    functions = re.findall(r"^(\w+)\(\)", path.read_text(), re.MULTILINE)

    assert functions
    assert [name for name in functions if not re.search(rf"\b{name}\b", TESTS)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_is_plain_bash_without_jinja(path: Path) -> None:
    assert subprocess.run(["bash", "-n", path], capture_output=True).returncode == 0
    assert not re.search(r"\{%|\{\{ ", path.read_text())
    assert path.read_text().startswith("# shellcheck shell=bash")
