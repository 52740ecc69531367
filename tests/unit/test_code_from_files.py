"""Nothing that is kept in a file becomes code or an object: ruff's rules see to it.

A cache that was unpickled once ran code as another user, where folders could be exchanged.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def complaints(statement: str, file: str) -> str:
    """What ruff says of a module `file` with that statement."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "concise"]
    return subprocess.run(
        [*command, "--stdin-filename", file, "-"],
        input=f"{statement}\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("import pickle\n\npickle.load(1)", "S301"),
        ("import pickle", "TID251"),
        ("from pickle import loads as read", "TID251"),
        ("import marshal", "TID251"),
        ("import shelve", "TID251"),
        ("import runpy", "TID251"),
        ("from importlib.util import spec_from_file_location", "TID251"),
        ("from importlib.machinery import SourceFileLoader", "TID251"),
        ("from jinja2 import FileSystemBytecodeCache", "TID251"),
        ("import numpy as np\n\nnp.load('x')", "TID251"),
        ("eval('1')", "S307"),
        ("exec('pass')", "S102"),
        ("import yaml\n\nyaml.load('')", "S506"),
        ("import os\n\nos.system('ls')", "TID251"),
        ("import subprocess\n\nsubprocess.run('ls', shell=True)", "S602"),
        ("import subprocess\n\nsubprocess.getoutput('ls')", "TID251"),
        ("from markupsafe import Markup\n\nMarkup(input())", "S704"),
        ("import tempfile\n\ntempfile.mktemp()", "S306"),
    ],
)
def test_a_way_from_a_file_to_code_is_a_complaint(statement: str, rule: str) -> None:
    for file in ("dispatcher/config/example.py", "deploy/example.py"):
        assert f" {rule} " in complaints(statement, file)


def test_the_only_modules_that_are_imported_by_name_come_with_the_dispatcher() -> None:
    found = {
        (str(path.relative_to(ROOT)), ast.unparse(node))
        for folder in ("dispatcher", "deploy")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__", "compile")
        and not ast.unparse(node.func).startswith("re.")
    }

    assert found == {
        (
            "dispatcher/scheduler/dialect.py",
            "importlib.import_module(f'.dialects.{name}', __package__)",
        ),
        (
            "dispatcher/scheduler/survey.py",  # of the names that the folder itself has
            "importlib.import_module(f'.surveys.{module_name}', __package__)",
        ),
    }


@pytest.mark.parametrize("rule", ["S102", "S301", "S302", "S307", "S506", "S602", "S605", "TID251"])
def test_no_line_of_the_dispatcher_is_excused_from_these_rules(rule: str) -> None:
    excused = [
        path
        for folder in ("dispatcher", "deploy")
        for path in (ROOT / folder).rglob("*.py")
        if f"noqa: {rule}" in path.read_text()
    ]

    assert not excused
