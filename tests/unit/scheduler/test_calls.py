"""How a scheduler gets a script, and when its queue command has answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.scheduler import Scheduler
from dispatcher.scheduler.calls import ask_queue, hand_over


@pytest.mark.parametrize(
    ("script_as", "printed"),
    [("argument", "-q job.sh"), ("path", "-q job.sh"), ("stdin", "-q\nthe script's text")],
)
def test_a_script_is_handed_over_as_the_scheduler_wants_it(
    script_as: str, printed: str, tmp_path: Path
) -> None:
    (tmp_path / "job.sh").write_text("the script's text\n")
    (tmp_path / "board").write_text('#!/bin/sh\necho "$@"; cat\n')
    (tmp_path / "board").chmod(0o755)
    scheduler = Scheduler(submit_command=["x"], script_as=script_as)  # type: ignore[arg-type]

    done = hand_over(scheduler, ["./board", "-q", "job.sh"], tmp_path)

    assert (done.status, done.stdout.strip()) == (0, printed)


@pytest.mark.parametrize("script_as", ["argument", "stdin"])
def test_a_missing_submit_command_is_known_as_such(script_as: str, tmp_path: Path) -> None:
    (tmp_path / "job.sh").touch()
    scheduler = Scheduler(submit_command=["x"], script_as=script_as)  # type: ignore[arg-type]

    with pytest.raises(FileNotFoundError):
        hand_over(scheduler, ["no-such-program", "job.sh"], tmp_path)


@pytest.mark.parametrize("script_as", ["argument", "stdin"])
def test_a_submit_command_that_may_not_be_run_is_known_as_such(
    script_as: str, tmp_path: Path
) -> None:
    (tmp_path / "job.sh").touch()
    (tmp_path / "board").touch(0o644)
    scheduler = Scheduler(submit_command=["x"], script_as=script_as)  # type: ignore[arg-type]

    with pytest.raises(PermissionError):
        hand_over(scheduler, [str(tmp_path / "board"), "job.sh"], tmp_path)


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("echo No job found >&2; exit 255", True),
        ("echo batch daemon not responding >&2; exit 255", False),
        ("exit 255", False),
        ("exit 0", True),
    ],
)
def test_a_queue_command_that_fails_for_want_of_jobs_has_answered(
    said: str, answered: bool, tmp_path: Path
) -> None:
    scheduler = Scheduler(
        submit_command=["x"],
        queue_command=["sh", "-c", said],
        queue_pattern="(?P<id>x)(?P<state>y)(?P<token>z)",
        no_jobs=["No (?:unfinished )?job found"],
        transient=["not responding"],
    )

    queue = ask_queue(scheduler, tmp_path)

    assert (queue is not None) == answered
    assert queue is None or queue.jobs == ()
