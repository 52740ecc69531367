"""Times that cannot be are not known; a report covers what lies in its span."""

from __future__ import annotations

import pytest

from dispatcher.report.clocks import by_right_clocks, within
from dispatcher.report.figures import Figures

from .rows import HOUR, MONDAY, job_row

DAY = 24 * HOUR
NOW = MONDAY + 30 * DAY


def test_times_that_can_be_stay() -> None:
    for row in (job_row(), job_row(seconds=None), job_row(started=None, seconds=0)):
        assert by_right_clocks(row, NOW) == row


@pytest.mark.parametrize(
    "keys",
    [
        {"started": MONDAY - 10 * 60},
        {"started": 0.0, "seconds": MONDAY},
        {"started": NOW + HOUR, "submitted": NOW + HOUR},
        {"started": NOW - HOUR, "seconds": 2 * HOUR},
        {"seconds": 3 * DAY},  # ten hours were asked for
        {"seconds": 400 * DAY, "asked_seconds": None, "submitted": 1.0, "started": 2.0},
    ],
)
def test_times_that_cannot_be_are_not_known(keys: dict[str, float]) -> None:
    row = by_right_clocks(job_row(**keys), NOW)

    assert (row.seconds, row.gpu_hours) == (None, None)
    assert Figures.of([row]).total.unknown == 1


def test_the_accounting_may_tell_of_a_longer_run_than_was_asked_for() -> None:
    assert by_right_clocks(job_row(seconds=3 * DAY, accounted=True), NOW).seconds == 3 * DAY


def test_a_start_before_the_submission_is_no_waiting_time() -> None:
    row = by_right_clocks(job_row(started=MONDAY - 60), NOW)

    assert (row.waited, row.seconds) == (None, 2 * HOUR)
    assert not Figures.of([row]).waits


def test_a_job_counts_in_the_span_in_which_it_ended_or_runs() -> None:
    ended = job_row(submitted=MONDAY - 36 * HOUR, started=MONDAY - 10 * HOUR, seconds=11 * HOUR)

    found = within(ended, MONDAY)

    assert found
    assert (found.seconds, found.gpu_hours) == (11 * HOUR, 2)
    assert within(ended, MONDAY + 2 * HOUR) is None
    runs = within(ended._replace(outcome="running"), MONDAY + 2 * HOUR)
    assert runs
    assert runs.gpu_hours == 0
    assert within(ended, 0) == ended


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        ({"outcome": "waiting", "submitted": 1.0}, True),
        ({"outcome": "running", "submitted": 1.0}, True),
        ({"outcome": "unknown", "submitted": 1.0}, False),
        ({"outcome": "unknown", "submitted": MONDAY + 1}, True),
        ({"outcome": "failed", "submitted": 1.0, "ended": MONDAY + 1}, True),
        ({"outcome": "failed", "submitted": 1.0, "ended": MONDAY - 1}, False),
        ({"outcome": "refused", "submitted": MONDAY + 1}, True),
        ({"outcome": "failed", "submitted": None}, True),
    ],
)
def test_jobs_of_unknown_times(keys: dict[str, object], counts: bool) -> None:
    row = job_row(started=None, seconds=None, **keys)

    assert (within(row, MONDAY) is not None) == counts
