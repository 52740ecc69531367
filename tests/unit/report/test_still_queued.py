"""The queue tells of jobs whose end nobody knows."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.site import load_site
from dispatcher.report.job_row import JobRow
from dispatcher.report.record_row import Source
from dispatcher.report.still_queued import still_queued

from .rows import job_row

TOKENS = [f"{number:012x}" for number in range(5)]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Slurm with three jobs; each call is noted."""
    lines = [
        f"{number}|{state}|n1|None|1:00 2026-11-29T03:45:41|relion-dispatch:{TOKENS[number]}"
        for number, state in ((1, "RUNNING"), (2, "PENDING"), (3, "CANCELLED"))
    ]
    program = tmp_path / "squeue"
    program.write_text(f"#!/bin/sh\necho x >> {tmp_path}/calls\ncat <<'END'\n")
    with program.open("a") as file:
        file.write("\n".join(lines) + "\nEND\n")
    program.chmod(0o755)
    shipped = load_site().schedulers
    slurm = replace(shipped["slurm"], queue_command=[str(program)], timeout=20)
    local = replace(shipped["local"], queue_command=[str(program)])
    return Source({"slurm": slurm, "local": local}, {})


def lost(number: int, **keys: Any) -> JobRow:
    row = job_row(outcome="unknown", started=None, seconds=None, means=())
    return row._replace(token=TOKENS[number], job_id=str(number), **keys)


def test_those_in_the_queue_run_or_wait(source: Source, tmp_path: Path) -> None:
    rows = [lost(number) for number in range(5)]

    found = still_queued([*rows, job_row()], source)

    assert [row.outcome for row in found] == [
        "unknown",
        "running",
        "waiting",
        "unknown",
        "unknown",
        "succeeded",
    ]
    assert (tmp_path / "calls").read_text() == "x\n"


def test_no_queue_is_asked_without_need(source: Source, tmp_path: Path) -> None:
    elsewhere = lost(1, scheduler="local", host="another")
    rows = [job_row(), lost(1, scheduler="gone"), elsewhere, lost(1, accounted=True)]

    assert list(still_queued(rows, source)) == rows
    assert not (tmp_path / "calls").exists()
    here = lost(1, scheduler="local", host=os.uname().nodename)
    list(still_queued([here], source))
    assert (tmp_path / "calls").exists()


def test_a_queue_that_does_not_answer_tells_nothing(source: Source, tmp_path: Path) -> None:
    (tmp_path / "squeue").write_text("#!/bin/sh\nexit 1\n")

    assert [row.outcome for row in still_queued([lost(1)], source)] == ["unknown"]
