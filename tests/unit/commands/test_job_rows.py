"""A job of status in sentences."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import pytest

from dispatcher.commands.job_card import job_card
from dispatcher.commands.job_rows import as_table, reason_of
from dispatcher.jobs.runs import Run
from dispatcher.jobs.status import JobStatus

NOW = datetime(2026, 11, 28, 18, 42)


def job(relion: str = "Running", **known: Any) -> JobStatus:
    entries: dict[str, Any] = dict.fromkeys(JobStatus.__annotations__)
    entries |= {"job": "Class3D/job020", "relion": relion, "runs": []}
    return cast(JobStatus, entries | known)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({}, ""),
        ({"reason": "The disk is full."}, "The disk is full."),
        (
            {"waiting_since": "2026-11-28T18:30:00", "reason": "Priority", "waits_for": "patience"},
            "waits since 18:30 (12 min): patience (Priority)",
        ),
        (
            {"waiting_since": "2026-11-26T12:00:00", "reason": "Priority", "waits_for": "patience"},
            "waits since 26 Nov 12:00 (2 d 6 h): patience (Priority)",
        ),
        (
            {"waiting_since": "2026-11-28T18:41:50", "waits_for": "not looked at yet"},
            "waits since 18:41 (less than 1 min): not looked at yet",
        ),
        (
            {"waiting_since": "2026-11-28T18:30:00", "reason": "TheMoonIsFull"},
            "waits since 18:30 (12 min): TheMoonIsFull",
        ),
        ({"waiting_since": "2026-11-28T18:30:00"}, "waits since 18:30 (12 min)"),
        ({"waiting_since": "soon", "reason": "Priority"}, "waits: Priority"),
        (
            {
                "waiting_since": "2026-11-28T18:30:00",
                "reason": "waits for Class3D/job019: one at a time",
                "waits_for": "waits for Class3D/job019: one at a time",
            },
            "waits since 18:30 (12 min) for Class3D/job019: one at a time",
        ),
    ],
)  # fmt: skip
def test_why_a_job_waits_or_failed(known: dict[str, Any], says: str) -> None:
    assert reason_of(job(**known), NOW) == says


def test_a_time_of_a_clock_that_is_ahead_is_none_of_the_past() -> None:
    waiting = job(waiting_since="2026-11-28T18:50:00")

    assert reason_of(waiting, NOW) == "waits since 18:50 (less than 1 min)"


def test_a_time_to_come_is_none_since_when_a_job_waits() -> None:
    waiting = job(waiting_since="2030-01-01T00:00:00", reason="Priority")

    assert reason_of(waiting, NOW) == "waits: Priority"


def test_a_job_of_another_year_says_which() -> None:
    lines = [text.plain for text in job_card(job(dispatched="2024-05-01T10:00:00"), {}, NOW)]

    assert "  submitted  1 May 2024 10:00" in lines


def test_estimates_have_columns_in_a_pipe_if_a_job_has_some() -> None:
    ended = job("Succeeded", iteration=25)
    runs = job(iteration=3, iterations=25, minutes_per_iteration=4.0)

    assert as_table([ended]).splitlines()[0].split("  ")[-1] == "reason"
    assert "min each" not in as_table([ended])
    heads, row = as_table([runs]).splitlines()
    assert "iteration  min each  time  reason" in heads
    assert "3 of 25    4.0       -     -" in row


def test_a_card_has_what_is_known_and_the_end_of_what_was_printed() -> None:
    waiting = job(
        state="PENDING", job_id="17", scheduler="slurm", cluster="west",
        waiting_since="2026-11-28T18:30:00", reason="Priority", waits_for="be patient",
    )  # fmt: skip
    printed = {"run.out": ["one\tand", "two\x1b[2J"], "run.err": [], "note": None}

    lines = [text.plain for text in job_card(waiting, printed, NOW)]

    assert lines == [
        "Class3D/job020  Running",
        "  state      PENDING",
        "  id         17",
        "  scheduler  slurm (cluster west)",
        "  waits      since 18:30 (12 min): be patient (Priority)",
        "",
        "The end of run.out:",
        "  one     and",
        "  two\\x1b[2J",
        "",
        "run.err is empty.",
        "",
        "There is no note.",
    ]
    failed = [text.plain for text in job_card(job("Failed", reason="It\nbroke."), {})]
    assert failed[1:] == ["  reason  It broke."]


FIRST = Run(1, "2026-11-28T15:00:00", "2026-11-28T16:30:00", "gpu1", "17", "GOES_ON", "preemption",
            to_iteration=7, ranks=9)  # fmt: skip
SECOND = Run(2, "2026-11-28T17:00:00", host="gpu2", from_iteration=7, ranks=1)


def test_a_column_tells_which_run_a_job_that_went_on_has_come_to() -> None:
    heads, again, first, without = as_table([
        job(runs=[FIRST.as_json(), SECOND.as_json()]), job(runs=[FIRST.as_json()]), job()
    ]).splitlines()  # fmt: skip

    assert heads.split()[:4] == ["job", "RELION", "run", "state"]
    assert [row.split()[2] for row in (again, first, without)] == ["2", "-", "-"]
    assert " run " not in as_table([job(runs=[FIRST.as_json()])])


def test_a_card_has_a_line_for_each_run() -> None:
    runs = [FIRST.as_json(), SECOND.as_json()]
    ended = SECOND._replace(ended="2026-11-28T18:00:00", ending="FAILURE", to_iteration=9)

    def card(relion: str = "Running", **known: Any) -> list[str]:
        return [text.plain for text in job_card(job(relion, **known), {}, NOW)][1:]

    assert card(runs=runs) == [
        "  run 1  15:00 to 16:30 on gpu1, 9 ranks, to iteration 7: it was preempted",
        "  run 2  from 17:00 on gpu2, 1 rank, from iteration 7: it runs",
    ]
    assert card("Failed", runs=[*runs[:1], ended.as_json()])[1] == (
        "  run 2  17:00 to 18:00 on gpu2, 1 rank, from iteration 7 to 9: it failed"
    )
    assert card("Failed", runs=runs)[1].endswith(": it was lost, or its machine was switched off")
    assert card(runs=[FIRST.as_json()]) == [], "of one run all is said above"
    many = [FIRST._replace(number=number).as_json() for number in range(1, 15)]
    lines = card(runs=many)
    assert lines[0] == "  runs 1 to 4  `relion-dispatch status --json` shows them"
    assert [line.split()[1] for line in lines[1:]] == [str(number) for number in range(5, 15)]


def test_a_job_between_two_runs_waits_to_go_on() -> None:
    waiting = job(
        runs=[FIRST.as_json()], next_run=2, waiting_since="2026-11-28T16:30:00", reason="Priority",
        waits_for="be patient",
    )  # fmt: skip

    assert reason_of(waiting, NOW) == (
        "waits to go on with run 2 since 16:30 (2 h 12 min): be patient (Priority)"
    )
    assert [text.plain for text in job_card(waiting, {}, NOW)][1:] == [
        "  run 1  15:00 to 16:30 on gpu1, 9 ranks, to iteration 7: it was preempted",
        "  waits  to go on with run 2 since 16:30 (2 h 12 min): be patient (Priority)",
    ]
