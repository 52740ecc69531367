"""A refinement under a time limit that is too short for it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ..running_job import exit_files
from .conftest import TOKEN, Refinement


def test_a_refinement_goes_on_until_it_has_ended(refinement: Refinement) -> None:
    refinement.at_its_limit("0 1 2")
    assert exit_files(refinement.script) == set(), "RELION waits on"
    refinement.at_its_limit("3 4")
    assert exit_files(refinement.script) == set()

    assert refinement.start("5", ends=True).wait(60) == 0

    assert exit_files(refinement.script) == {"SUCCESS"}
    first, second, third = refinement.commands()
    assert "--i" in first
    assert "--continue" not in first
    job = f"{refinement.folder.parent.name}/{refinement.folder.name}"
    for number, iteration, words in ((2, 2, second), (3, 4, third)):
        options = dict(pairwise(words))
        control = f"{job}/.dispatch_control.{TOKEN}.{number}/"
        assert options["--continue"] == f"{control}run_it{iteration:03}_optimiser.star"
        assert options["--pipeline_control"] == control
        assert options["--o"] == f"{job}/run"
        assert "--i" not in options
        assert words[: words.index("--continue")] == first[: first.index("--o")]
    assert [refinement.run_record(number)["why"] for number in (1, 2)] == ["time_limit"] * 2
    assert [refinement.run_record(number)["to_iteration"] for number in (1, 2)] == ["2", "4"]
    assert refinement.run_record(2)["from_iteration"] == "2"
    last = refinement.run_record()
    assert (last["run"], last["ending"], last["from_iteration"]) == ("3", "SUCCESS", "4")
    said = refinement.says()
    assert "Run 1 of the job reached its time limit after iteration 2: the job goes on" in said
    assert "Run 2 of the job goes on from iteration 2." in said
    assert refinement.says("run.err") == ""
    left = {path.name for path in refinement.folder.glob(".dispatch_*")}
    assert left == {f".dispatch_claim.{TOKEN}{number}" for number in ("", ".2", ".3")}


def test_a_limit_shorter_than_an_iteration_ends_the_job_after_the_second_run(
    refinement: Refinement,
) -> None:
    refinement.at_its_limit("0")
    assert exit_files(refinement.script) == set()
    refinement.at_its_limit("0")

    assert exit_files(refinement.script) == {"FAILURE"}
    assert "its last 2 runs ended without a new iteration" in refinement.says("run.err")
    assert "from the beginning, as no iteration was finished" in refinement.says()
    assert refinement.run_record()["run"] == "2"


def test_a_run_with_progress_between_starts_the_count_anew(refinement: Refinement) -> None:
    for iterations in ("0", "0 1", "", "2", ""):
        refinement.at_its_limit(iterations)
        assert exit_files(refinement.script) == set()
    refinement.at_its_limit("")
    assert exit_files(refinement.script) == {"FAILURE"}


def test_a_half_written_iteration_is_not_gone_on_from(refinement: Refinement) -> None:
    refinement.at_its_limit("1 2 3")
    (refinement.folder / "run_it003_half2_model.star").write_text("data_model_general\n")

    refinement.start("4", ends=True).wait(60)

    assert "goes on from iteration 2" in refinement.says()
    assert not (refinement.folder / "run_it003_half2_model.star").exists()
    assert exit_files(refinement.script) == {"SUCCESS"}


def test_a_job_goes_on_as_often_as_the_site_says(refinement: Refinement) -> None:
    for number in range(1, 12):
        refinement.at_its_limit(str(number))
    assert exit_files(refinement.script) == {"FAILURE"}
    assert "it has gone on 10 times" in refinement.says("run.err")


@pytest.mark.parametrize("refusal", ["Requested operation is presently disabled for job 17"])
def test_a_scheduler_that_does_not_take_the_next_run_fails_the_job(
    refusal: str, refinement: Refinement
) -> None:
    running = refinement.start("1")
    refinement.answer("JobState=COMPLETING Restarts=0 PreemptTime=now", refusal)
    refinement.cut(running)

    assert exit_files(refinement.script) == {"FAILURE"}
    assert "its scheduler did not take the next run" in refinement.says("run.err")
    assert refinement.run_record()["ending"] == "FAILURE"
    assert not (refinement.folder / f"dispatch.run.{TOKEN}.1").exists()


def test_a_program_that_fails_at_the_beginning_of_a_preemption_is_cut(
    refinement: Refinement,
) -> None:
    """Ranks on several nodes are told to end before the script is."""
    running = refinement.start("1")
    refinement.answer("JobState=RUNNING Restarts=0 PreemptTime=now")
    refinement.fail(running)

    assert exit_files(refinement.script) == set()
    assert refinement.run_record(1)["why"] == "preemption"
    assert (refinement.folder.parents[1] / "asked").read_text() == "requeue 17\n"


def test_a_job_that_its_scheduler_has_taken_back_is_not_put_back_twice(
    refinement: Refinement,
) -> None:
    running = refinement.start("1")
    refinement.answer("JobState=COMPLETING Restarts=1", "Job is pending execution for job 17")
    refinement.cut(running)
    assert exit_files(refinement.script) == set()
    assert refinement.start("2", ends=True).wait(60) == 0
    assert exit_files(refinement.script) == {"SUCCESS"}
