"""Whether a job goes on (goes_on.sh)."""

from __future__ import annotations

import re

import pytest

from dispatcher.config.ends_from_outside import CAUSES

from ..refinement_files import write_iteration
from .conftest import TOKEN, Shell
from .goes_on import CUT, GOES_ON, REFINE

pytestmark = pytest.mark.usefixtures("library_file")
NO_MORE = (
    "The job does not go on, because it has gone on 3 times, which is the most that the site "
    'allows: continue the job in RELION, or ask your admin to raise "at_most" of "goes_on".'
)


@pytest.mark.parametrize(("why", "cut"), [("time_limit", True), ("preemption", False), ("", False)])
def test_a_run_is_cut_by_what_the_job_survives(why: str, cut: bool, shell: Shell) -> None:
    write_iteration(shell.job, 1)
    code = f"why_it_ends() {{ echo {why}; }}; {REFINE}; {CUT}"
    assert shell.says(code, given=GOES_ON) == f"cut:{why if cut else ''}:"
    assert shell.says(code) == "cut::"


def test_a_job_that_is_aborted_does_not_go_on(shell: Shell) -> None:
    write_iteration(shell.job, 1)
    (shell.job / "RELION_JOB_ABORT_NOW").touch()
    assert (
        shell.says(f"why_it_ends() {{ echo time_limit; }}; {REFINE}; {CUT}", given=GOES_ON)
        == "cut::"
    )


@pytest.mark.parametrize("over", ["RELION_JOB_EXIT_FAILURE", f".dispatch_claim.{TOKEN}.2"])
def test_a_run_whose_job_is_over_or_goes_on_is_not_cut(over: str, shell: Shell) -> None:
    (shell.job / over).touch()
    (shell.job / f".dispatch_claim.{TOKEN}.2").unlink(missing_ok=True)
    if "claim" in over:
        (shell.job / over).symlink_to("gpu2, process 5, 2026, job 17")
    assert shell.says(f"why_it_ends() {{ echo time_limit; }}; {CUT}", given=GOES_ON) == "cut::"


def test_a_lost_lease_is_a_lost_node(shell: Shell) -> None:
    write_iteration(shell.job, 1)
    assert (
        shell.says(f"dispatch_lost_lease=yes; {REFINE}; {CUT}", given=GOES_ON) == "cut:lost_node:"
    )


def test_a_job_goes_on_as_often_as_the_site_allows(shell: Shell) -> None:
    write_iteration(shell.job, 1)
    code = f"why_it_ends() {{ echo time_limit; }}; {REFINE}; dispatch_run=%d; {CUT}"
    assert shell.says(code % 3, given=GOES_ON) == "cut:time_limit:"
    assert shell.says(f"{code % 4}; why_no_more", given=GOES_ON).split("\n") == [
        f"cut::{NO_MORE}",
        NO_MORE,
    ]


def test_run_out_says_that_the_job_goes_on(shell: Shell) -> None:
    write_iteration(shell.job, 7)
    code = f"{REFINE}; dispatch_cut=%s; say_that_it_goes_on; echo $dispatch_to_iteration"
    assert shell.says(code % "time_limit", given=GOES_ON).split("\n") == [
        "relion-dispatch: Run 1 of the job reached its time limit after iteration 7: "
        "the job goes on by itself.",
        "7",
    ]
    assert "gave way to a job" in shell.says(code % "preemption", given=GOES_ON)


def test_each_cause_that_the_plan_knows_has_words(shell: Shell) -> None:
    branches = re.findall(r"^ +(\w+)\)$", shell.says("declare -f cut_in_words"), re.MULTILINE)

    assert set(branches) == set(CAUSES)
    assert "its machine stops" in shell.says("cut_in_words lost_node")


@pytest.mark.parametrize(("written", "lines"), [('  3/ 60 sec ..~~(,_,">', 2), ("yum!\n", 1)])
def test_that_it_goes_on_stands_on_a_line_of_its_own(
    written: str, lines: int, shell: Shell
) -> None:
    (shell.job / "run.out").write_text(written)
    said = shell("dispatch_cut=time_limit; say_that_it_goes_on", given=GOES_ON).stdout
    assert said.count("\n") == lines


def test_the_next_run_is_the_schedulers_to_start(shell: Shell) -> None:
    (shell.job / f".dispatch_lease.{TOKEN}.1").touch()
    code = (
        "dispatch_session=$$ dispatch_cut=time_limit dispatch_status=143; "
        "start_next_run() { %s; }; "
        "go_on; echo $dispatch_ending"
    )
    assert shell.says(code % "true", given=GOES_ON) == ""
    assert not (shell.job / f".dispatch_lease.{TOKEN}.1").exists()

    record = shell.job / f"dispatch.run.{TOKEN}.1"
    record.touch()
    refused = shell(code % "false", given=GOES_ON)

    assert refused.stdout.strip() == "FAILURE"
    assert "its scheduler did not take the next run" in refused.stderr
    assert not record.exists()
    assert "ending FAILURE" in (shell.job / f"dispatch.run.{TOKEN}").read_text()
    assert (shell.job / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_next_run_that_has_begun_is_not_started_again(shell: Shell) -> None:
    """Its scheduler would end it."""
    (shell.job / f".dispatch_claim.{TOKEN}.2").symlink_to("gpu2, process 5, 2026, job 17")
    record = shell.job / f"dispatch.run.{TOKEN}.1"
    record.touch()
    code = "dispatch_cut=lost_node; start_next_run() { echo starts; false; }; go_on"
    assert shell.says(code, given=GOES_ON) == ""
    assert record.exists()


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        ("time_limit", "asks\n0:"),
        ("gpu_memory", "begins\n1:The job does not go on, because its next run could not be"),
    ],
)
def test_the_scheduler_or_the_script_itself_brings_the_next_run(
    cut: str, says: str, shell: Shell
) -> None:
    code = (
        "start_next_run() { echo asks; }; begin_next_run() { echo begins; }; "
        f'dispatch_cut={cut}; bring_next_run; echo "$?:$dispatch_reason"'
    )
    assert shell.says(code, given=GOES_ON).startswith(says)


def test_a_machine_that_stops_ends_its_jobs(shell: Shell) -> None:
    program = shell.programs / "systemctl"
    program.write_text("#!/bin/sh\necho stopping\nexit 1\n")
    program.chmod(0o755)
    assert shell.says("why_it_ends 15; why_it_ends 2; start_next_run; echo $?") == "lost_node\n0"
