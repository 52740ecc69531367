"""Whatever goes wrong, or ends the doctor: no job waits or runs afterwards, and no folder stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..stand_in_scheduler import StandIn
from .conftest import RUNS, Doctor

ROOT = Path(__file__).parents[3]
NEXT = "$((17 + $(wc -l <queue)))"


def states(queue: StandIn) -> set[str]:
    return {line.split("|")[1] for line in queue.queue.read_text().splitlines()}


@pytest.mark.parametrize("answer", ["sleep 5", "echo Your job is in good hands"])
def test_a_job_that_was_taken_without_a_word_on_its_id(
    doctor: Doctor, queue: StandIn, answer: str
) -> None:
    queue.submits(RUNS.format(before="").replace("echo $id", answer))

    found = doctor("--all")

    assert found["start"]["status"] == "ok", found["start"]
    assert states(queue) <= {"COMPLETED", "CANCELLED"}


def test_a_job_that_is_taken_later_than_anybody_asked(doctor: Doctor, queue: StandIn) -> None:
    queue.submits(
        "[ -e late ] && exit 1; touch late; "
        f"(until [ -e asked ]; do sleep 0.1; done; take {NEXT} PENDING) "
        ">/dev/null 2>&1 & echo error: Socket timed out >&2; exit 1"
    )
    queue.queue_answers(
        "[ ! -e asked ] || until grep -q '|' queue; do sleep 0.1; done; "
        "cat queue; [ ! -e late ] || touch asked"
    )

    assert doctor("--all")["start"]["status"] == "failure"
    assert states(queue) == {"CANCELLED"}


def test_a_watcher_that_waits(doctor: Doctor, queue: StandIn) -> None:
    queue.does("watch", "take 99 PENDING; echo 99")

    assert doctor("--all", "--minutes", "0.4")["watcher"]["status"] == "skipped"

    assert "99" in queue.calls("scancel")
    assert states(queue) <= {"COMPLETED", "CANCELLED"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal(bare_project: Path, queue: StandIn, number: signal.Signals) -> None:
    queue.submits(f"id={NEXT}; take $id PENDING; echo $id")
    doctor = subprocess.Popen(
        [sys.executable, "-m", "dispatcher", "doctor", "--all"],
        cwd=bare_project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    wait_for(lambda: len(queue.queue.read_text().splitlines()) == 2, 60, "the jobs in the queue")

    doctor.send_signal(number)

    assert doctor.wait(60) == 130
    assert states(queue) == {"CANCELLED"}
    assert not list(bare_project.iterdir())
