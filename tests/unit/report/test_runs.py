"""A job that went on counts the hours of all its runs, each once, and not those between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.site import load_site
from dispatcher.report.accounting import Asked, completed
from dispatcher.report.clocks import by_right_clocks, within
from dispatcher.report.figures import Figures
from dispatcher.report.job_row import EarlierRun, JobRow, hours_of
from dispatcher.report.record_row import Source
from dispatcher.report.spreadsheet import line

from .rows import HOUR, MONDAY, job_row, noted_run

NOW = MONDAY + 30 * 24 * HOUR
FIRST = EarlierRun(MONDAY + HOUR, 3 * HOUR, (1, 90))
SECOND = EarlierRun(MONDAY + 10 * HOUR, HOUR)


def went_on(**keys: Any) -> JobRow:
    """Three hours on Monday from 1:00, one from 10:00, and two from 20:00; two GPUs."""
    runs = (noted_run(1, why="preemption"), noted_run(2, why="lost_node"), noted_run(3))
    keys = {"earlier": (FIRST, SECOND), "noted_runs": runs, **keys}
    return job_row(started=MONDAY + 20 * HOUR, **keys)


def test_the_time_is_the_sum_and_the_wait_is_that_before_the_first_run() -> None:
    row = went_on()

    assert (row.ran, row.gpu_hours, row.waited) == (6 * HOUR, 12, HOUR)
    assert by_right_clocks(row, NOW) == row


def test_each_run_has_used_its_gpus_in_its_own_way() -> None:
    assert list(hours_of(went_on())) == [
        ("idle", 3), ("used", 3), ("not_measured", 2), ("used", 2), ("used", 2)
    ]  # fmt: skip
    assert sum(hours for _, hours in hours_of(went_on(outcome="failed"))) == 12


@pytest.mark.parametrize("since", [MONDAY + 2 * HOUR, MONDAY + 8 * HOUR, MONDAY + 21 * HOUR])
def test_the_reports_of_two_spans_count_nothing_twice(since: float) -> None:
    row = went_on()
    counted = within(row, since)
    assert counted and counted.gpu_hours is not None
    first = sum(max(0, min(since, begin + took) - begin) for begin, took in (
        (MONDAY + HOUR, 3 * HOUR), (MONDAY + 10 * HOUR, HOUR), (MONDAY + 20 * HOUR, 2 * HOUR)
    ))  # fmt: skip

    assert counted.gpu_hours + 2 * first / HOUR == 12
    assert sum(hours for _, hours in hours_of(counted)) == counted.gpu_hours


def test_a_job_counts_in_the_week_in_which_it_first_ran_within_the_span() -> None:
    week = 7 * 24 * HOUR
    row = went_on()._replace(
        earlier=(FIRST._replace(started=MONDAY - week),), started=MONDAY + HOUR, submitted=1.0
    )
    assert list(Figures.of([row]).weeks) == [MONDAY - week]

    counted = within(row, MONDAY)
    assert counted
    assert list(Figures.of([counted]).weeks) == [MONDAY]


def test_of_the_time_asked_for_each_run_has_its_own() -> None:
    figures = Figures.of([went_on(asked_seconds=4 * HOUR)])

    assert figures.time_used["refine"].at(0.5) == pytest.approx(0.5)
    assert figures.went_on == {"preemption": 1, "lost_node": 1}


def test_a_run_whose_times_cannot_be_does_not_count() -> None:
    odd = FIRST._replace(seconds=40 * 24 * HOUR), SECOND._replace(started=None)

    row = by_right_clocks(went_on()._replace(earlier=odd), NOW)

    assert row.gpu_hours == 4


def test_a_job_that_waits_to_go_on_has_used_what_it_ran() -> None:
    row = went_on(outcome="waiting")._replace(started=None, seconds=None)

    assert list(hours_of(row)) == [("running", 6), ("running", 2)]
    assert Figures.of([row]).total.unknown == 0


def accounted(tmp_path: Path, row: JobRow, line: str) -> JobRow:
    program = tmp_path / "sacct"
    program.write_text(f"#!/bin/sh\necho '{line}'\n")
    program.chmod(0o755)
    shipped = load_site().schedulers["slurm"]
    slurm = replace(shipped, usage_command=[str(program)], timeout=20)
    (found,) = completed([row], Source({"slurm": slurm}, {}), Asked())
    return found


def test_the_accounting_tells_of_the_last_run(tmp_path: Path) -> None:
    """For sacct, a job that was put back into the queue was submitted anew: days later, here."""
    days = 5 * 24 * HOUR
    row = went_on(outcome="unknown")._replace(
        earlier=(FIRST, SECOND._replace(started=MONDAY + days)), started=None, seconds=None
    )
    last = int(MONDAY + days + 2 * HOUR)

    found = accounted(
        tmp_path, row, f"17|COMPLETED|gpu|{last - HOUR}|{last}|{2 * HOUR}|gres/gpu=2||"
    )

    assert found.accounted
    assert (found.ran, found.gpu_hours, found.waited) == (6 * HOUR, 12, HOUR)


def test_no_hour_counts_twice_if_the_accounting_has_all_runs_as_one(tmp_path: Path) -> None:
    first = int(MONDAY + HOUR) - 5

    found = accounted(
        tmp_path, went_on(), f"17|COMPLETED|gpu|{int(MONDAY)}|{first}|{6 * HOUR}|gres/gpu=2||"
    )

    assert found.gpu_hours == 12
    assert Figures.of([found]).went_on == {"preemption": 1, "lost_node": 1}
    assert line(found).rstrip().endswith(",3")
