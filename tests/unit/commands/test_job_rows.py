"""A job of status in sentences."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import pytest

from dispatcher.commands.job_card import job_card
from dispatcher.commands.job_rows import as_table, reason_of
from dispatcher.jobs.status import JobStatus

NOW = datetime(2026, 11, 28, 18, 42)


def job(relion: str = "Running", **known: Any) -> JobStatus:
    entries: dict[str, Any] = dict.fromkeys(JobStatus.__annotations__)
    return cast(JobStatus, entries | {"job": "Class3D/job020", "relion": relion} | known)


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
