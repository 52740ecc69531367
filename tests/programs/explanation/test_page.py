"""The example of docs/explain.md is what the command prints.

``UPDATE_GOLDEN=1`` writes it anew; review the difference before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dispatcher.commands.explain_screen import IN_A_PIPE, screen
from dispatcher.explanation.explain import explanation
from dispatcher.jobs.record import RECORD

from .explained import JOB
from .test_explain import end, submit

PAGE = Path(__file__).parents[3] / "docs" / "explain.md"
EXAMPLE = re.compile(r"(?<=^```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
# What differs from run to run, and what the page has.
SAME = {
    "dispatched": '"2026-11-28T05:02:09+00:00"',
    "user": '"anna"',
    "sha256": f'"{"5e1f" * 16}"',
}


@pytest.mark.usefixtures("slurm")
def test_the_example_is_what_the_command_prints(script: Path, tmp_path: Path) -> None:
    submit(script, RELION_DISPATCH_FIELDS="time")
    record = script.parent / RECORD
    text = record.read_text().replace(str(tmp_path), "/data")
    for key, value in SAME.items():
        text = re.sub(rf'("{key}": )"[^"]*"', rf"\1{value}", text)
    record.write_text(text)
    end(script, "SUCCESS")

    found = explanation(JOB)
    there = found.job._replace(project=Path("/data/project"))
    shown = screen(found._replace(job=there), IN_A_PIPE, colours=False) + "\n"

    page = PAGE.read_text()
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(EXAMPLE.sub(lambda _: shown, page))
        page = PAGE.read_text()
    assert EXAMPLE.findall(page) == [shown]
