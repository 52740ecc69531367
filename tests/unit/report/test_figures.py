"""The figures of a report, compared with sums made by hand."""

from __future__ import annotations

import pytest

from dispatcher.report.figures import Figures, by_hours
from dispatcher.report.job_row import USES, hours_of

from .rows import HOUR, MONDAY, job_row


def test_each_gpu_hour_counts_once_as_what_became_of_it() -> None:
    rows = [
        job_row(means=(80, 60)),  # 4 GPU-hours used
        job_row(means=(80, 0)),  # 2 used, 2 idle
        job_row(means=(14, 15)),  # 2 little used, 2 used
        job_row(means=(1, 2)),  # 2 idle, 2 little used
        job_row(means=()),  # 4 not measured
        job_row(outcome="failed", cause="the disk is full", means=(80, 60)),  # 4 failed
        job_row(outcome="aborted"),  # 4 aborted
        job_row(outcome="running", seconds=HOUR),  # 2 running
        job_row(gpus=0, asked_gpus=0, means=()),  # no GPU
        job_row(outcome="refused", cause="refused", gpus=0, seconds=None, started=None),
    ]

    total = Figures.of(rows).total

    assert {use: total.hours[use] for use in USES} == {
        "used": 8,
        "not_measured": 4,
        "little_used": 4,
        "idle": 4,
        "failed": 4,
        "aborted": 4,
        "running": 2,
        "unknown": 0,
    }
    assert total.gpu_hours == 30 == sum(row.gpu_hours or 0 for row in rows)
    assert total.wasted == 12
    assert total.measured == 16
    assert total.jobs == {"succeeded": 6, "failed": 1, "aborted": 1, "running": 1, "refused": 1}
    assert total.unknown == 0


def test_fewer_gpus_than_were_noted_do_not_count_more_hours() -> None:
    row = job_row(gpus=1, means=(80, 0))

    assert list(hours_of(row)) == [("used", 2.0)]


def test_a_job_of_unknown_time_is_counted_as_such_and_has_no_hours() -> None:
    figures = Figures.of([job_row(outcome="failed", seconds=None), job_row()])

    assert figures.total.unknown == 1
    assert figures.total.gpu_hours == 4


def test_groups_have_their_own_jobs() -> None:
    figures = Figures.of(
        [
            job_row(),
            job_row(user="ben", project="/data/p2", type="class2d", seconds=6 * HOUR),
            job_row(user="ben", project="/data/p2", version="relion 5.1.0", outcome="failed"),
        ]
    )

    assert [(name, group.gpu_hours) for name, group in by_hours(figures.users)] == [
        ("ben", 16),
        ("ada", 4),
    ]
    assert figures.projects["/data/p2"].jobs.total() == 2
    assert figures.types["class2d"].gpu_hours == 12
    assert figures.versions["relion 5.1.0"].wasted == 4


def test_weeks_begin_on_monday_in_utc() -> None:
    sunday = job_row(started=MONDAY - 1, submitted=MONDAY - 2)
    figures = Figures.of([sunday, job_row(started=MONDAY), job_row(started=MONDAY + 6 * 86400)])

    assert {week: group.jobs.total() for week, group in figures.weeks.items()} == {
        int(MONDAY) - 7 * 86400: 1,
        int(MONDAY): 2,
    }


def test_waiting_times_of_a_partition() -> None:
    waits = [0, 60, 120, 600, 7200]
    figures = Figures.of([job_row(started=MONDAY + each) for each in waits])

    spread = figures.waits["gpu"]
    assert len(spread) == 5
    assert spread.at(0.5) == 120
    assert spread.at(0.9) == pytest.approx(600 + 0.6 * 6600)
    assert spread.at(1) == 7200


def test_what_was_asked_for_is_compared_for_successful_jobs_alone() -> None:
    figures = Figures.of(
        [
            job_row(peak_bytes=16 << 30),
            job_row(seconds=5 * HOUR, peak_bytes=32 << 30),
            job_row(outcome="failed", seconds=1),
            job_row(asked_seconds=None, asked_bytes=None, peak_bytes=1),
        ]
    )

    time, memory = figures.time_used["refine"], figures.memory_used["refine"]
    assert (len(time), time.at(0), time.at(1)) == (2, 0.2, 0.5)
    assert (len(memory), memory.at(0), memory.at(1)) == (2, 0.25, 0.5)


def test_gpus_that_were_not_idle_are_counted_of_those_that_were_watched() -> None:
    half = job_row(gpus=4, means=(90, 80))
    figures = Figures.of([job_row(gpus=2, means=(0, 0)), half, job_row(means=())])

    assert (figures.gpus_asked["refine"], figures.gpus_used["refine"]) == (4, 2)


def test_runs_with_and_without_mps_stand_apart() -> None:
    figures = Figures.of([job_row(mps=True), job_row(), job_row(seconds=4 * HOUR, means=())])

    with_mps, without = figures.mps["refine", True], figures.mps["refine", False]
    assert (len(with_mps.seconds), with_mps.means.at(0.5)) == (1, 70)
    assert (len(without.seconds), len(without.means), without.seconds.at(0.5)) == (2, 1, 3 * HOUR)
