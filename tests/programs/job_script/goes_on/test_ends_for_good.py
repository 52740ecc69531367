"""What ends a job that goes on for good: its user, RELION's own errors, another submission."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from ....waiting import wait_for
from ..running_job import exit_files
from .conftest import TOKEN, Refinement


def test_a_job_that_is_cancelled_ends(refinement: Refinement) -> None:
    running = refinement.start("1")
    refinement.answer("JobState=COMPLETING Restarts=0\n EndTime=now PreemptTime=None")
    refinement.cut(running)

    assert exit_files(refinement.script) == {"FAILURE"}
    assert not (refinement.folder.parents[1] / "asked").exists()


def test_an_abort_between_two_runs_ends_the_job(refinement: Refinement) -> None:
    refinement.at_its_limit("1")
    (refinement.folder / "RELION_JOB_ABORT_NOW").touch()

    refinement.start("2", ends=True).wait(60)

    assert exit_files(refinement.script) == {"ABORTED"}
    assert len(refinement.commands()) == 1
    assert "was aborted in RELION before it started" in refinement.says("run.err")


def test_an_abort_at_the_limit_ends_the_job(refinement: Refinement) -> None:
    running = refinement.start("1")
    refinement.answer("JobState=COMPLETING Restarts=1")
    (refinement.folder / "RELION_JOB_ABORT_NOW").touch()
    refinement.cut(running)
    assert exit_files(refinement.script) == {"ABORTED"}


def test_relions_own_error_ends_the_job(refinement: Refinement) -> None:
    refinement.at_its_limit("1")
    running = refinement.start("2")
    refinement.fail(running)
    assert exit_files(refinement.script) == {"FAILURE"}
    assert refinement.run_record()["run"] == "2"


def test_a_run_does_not_begin_once_relion_was_told(refinement: Refinement) -> None:
    refinement.at_its_limit("1")
    (refinement.folder / "RELION_JOB_EXIT_FAILURE").touch()

    assert refinement.start("2", ends=True).wait(60) == 0

    assert len(refinement.commands()) == 1
    assert not (refinement.folder / f".dispatch_claim.{TOKEN}.2").is_symlink()


def test_a_run_does_not_begin_beside_the_job_that_its_user_has_started_without_the_queue(
    refinement: Refinement,
) -> None:
    """RELION then removes the exit file; the scheduler puts a job back whose node it has lost."""
    assert refinement.start(ends=True).wait(60) == 0
    (refinement.folder / "RELION_JOB_EXIT_SUCCESS").unlink()

    assert refinement.start("1", ends=True).wait(60) == 0

    assert len(refinement.commands()) == 1
    assert exit_files(refinement.script) == set()


def test_a_run_that_was_killed_goes_on_at_the_next_start(refinement: Refinement) -> None:
    running = refinement.start("1 2")
    os.killpg(running.pid, signal.SIGKILL)
    subprocess.run(["pkill", "-KILL", "-s", str(running.pid)], check=False)
    running.wait(20)
    assert (refinement.folder / f".dispatch_lease.{TOKEN}.1").exists()

    assert refinement.start("3", ends=True).wait(120) == 0

    assert exit_files(refinement.script) == {"SUCCESS"}
    lost = refinement.run_record(1)
    assert (lost["why"], lost["ending"]) == ("lost_node", "GOES_ON")
    assert lost["started"] <= lost["ended"]
    assert "goes on from iteration 2" in refinement.says()


def test_an_older_run_that_still_computes_ends_before_the_next_begins(
    refinement: Refinement,
) -> None:
    older = refinement.start("1")

    newer = refinement.start("2")

    assert older.poll() == 0 or older.wait(30) is not None
    assert "run 1 of this job stops, because run 2 has begun" in refinement.says()
    assert len(refinement.commands()) == 2
    wait_for(lambda: (refinement.folder / f".dispatch_lease.{TOKEN}.2").exists())
    assert exit_files(refinement.script) == set()
    assert refinement.run_record(1)["why"] == "lost_node"
    refinement.answer("JobState=COMPLETING Restarts=1\n EndTime=now PreemptTime=None")
    refinement.cut(newer)
    assert exit_files(refinement.script) == {"FAILURE"}


@pytest.mark.parametrize("number", [2, 5])
def test_of_copies_that_start_together_one_is_the_next_run(
    number: int, refinement: Refinement
) -> None:
    refinement.at_its_limit("1")
    copies = [refinement.start("2", ends=True, job=str(20 + each)) for each in range(number)]
    for copy in copies:
        copy.communicate(timeout=120)
    assert len(refinement.commands()) == 2
    assert exit_files(refinement.script) == {"SUCCESS"}


def test_a_later_run_without_its_library_tells_relion(refinement: Refinement) -> None:
    refinement.at_its_limit("1")
    (refinement.folder / "run_submit.script.lib").write_text("changed\n")

    refinement.start("2", ends=True).wait(60)

    assert exit_files(refinement.script) == {"FAILURE"}
    assert "run_submit.script.lib is missing or was changed" in refinement.says("run.err")
