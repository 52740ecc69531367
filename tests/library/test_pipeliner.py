"""A job of the CCP-EM Pipeliner ends in both dialects, and what the job runner says counts."""

from __future__ import annotations

import pytest

from .conftest import TOKEN, Shell

CONTROL = f".dispatch_control.{TOKEN}"
WAITS = "dispatch_waiting_program=PIPELINER"
BOTH = {
    "SUCCESS": {"PIPELINER_JOB_EXIT_SUCCESS", "RELION_JOB_EXIT_SUCCESS"},
    "FAILURE": {"PIPELINER_JOB_EXIT_FAILED", "RELION_JOB_EXIT_FAILURE"},
    "ABORTED": {"PIPELINER_JOB_EXIT_ABORTED", "RELION_JOB_EXIT_ABORTED"},
}
every_end = pytest.mark.parametrize("end", BOTH)


def told(shell: Shell) -> set[str]:
    return {path.name for path in shell.job.glob("*_JOB_*")}


@every_end
def test_an_end_is_told_in_both_dialects(end: str, shell: Shell) -> None:
    shell(f"{WAITS}; make_exit_file {end}; make_exit_file {end}")

    assert told(shell) == BOTH[end]


@every_end
def test_what_a_program_of_relion_has_said_meanwhile_gives_way(end: str, shell: Shell) -> None:
    for name in ("SUCCESS", "FAILURE", "ABORTED"):
        (shell.job / f"RELION_JOB_EXIT_{name}").touch()
    (shell.job / "PIPELINER_JOB_ABORT_NOW").touch()

    shell(f"{WAITS}; tell_relion_too {end} none")

    assert told(shell) == {f"RELION_JOB_EXIT_{end}"}


@every_end
def test_a_job_of_relion_is_told_in_its_dialect_alone(end: str, shell: Shell) -> None:
    shell(f"relion_waits && make_exit_file {end}")

    assert told(shell) == {f"RELION_JOB_EXIT_{end}"}


@pytest.mark.parametrize(
    ("status", "files", "ending", "then"),
    [
        (0, ["PIPELINER_JOB_EXIT_SUCCESS"], "SUCCESS", 0),
        (143, ["PIPELINER_JOB_EXIT_SUCCESS"], "SUCCESS", 0),  # all was done when the signal came
        (0, ["PIPELINER_JOB_EXIT_FAILED"], "FAILURE", 1),  # the job runner ends with 0 as well
        (0, ["PIPELINER_JOB_EXIT_ABORTED"], "ABORTED", 0),
        # A program of RELION's was quicker than the job runner, which saw it fail.
        (1, ["PIPELINER_JOB_EXIT_FAILED", f"{CONTROL}/RELION_JOB_ABORT_NOW"], "ABORTED", 1),
        (1, ["PIPELINER_JOB_EXIT_FAILED", "RELION_JOB_ABORT_NOW"], "ABORTED", 1),
        (143, ["PIPELINER_JOB_ABORT_NOW"], "ABORTED", 143),
        (137, ["RELION_JOB_EXIT_SUCCESS"], "FAILURE", 137),  # of the first of several programs
        (0, ["PIPELINER_JOB_EXIT_SUCCESS", "RELION_JOB_EXIT_FAILURE"], "SUCCESS", 0),
    ],
)
def test_the_job_runner_decides_the_ending(
    status: int, files: list[str], ending: str, then: int, shell: Shell
) -> None:
    (shell.job / CONTROL).mkdir()
    for name in files:
        (shell.job / name).touch()

    said = shell.says(
        f"{WAITS} dispatch_status={status}; open_control; tell_relion;"
        'echo "$dispatch_ending $dispatch_status"'
    )

    assert said == f"{ending} {then}"
    assert told(shell) - {"RELION_JOB_ABORT_NOW"} == BOTH[ending]


def test_a_program_of_relion_says_nothing_of_the_end_of_a_pipeliners_job(shell: Shell) -> None:
    (shell.job / "RELION_JOB_EXIT_FAILURE").touch()

    told = "program_said_end FAILURE || end_is_told FAILURE || relion_was_told"
    assert shell(f"{WAITS}; {told}").returncode == 1
    assert shell("end_is_told FAILURE").returncode == 0


@pytest.mark.parametrize("name", ["RELION_JOB_ABORT_NOW", "PIPELINER_JOB_ABORT_NOW"])
def test_an_abort_in_either_window_is_wanted_and_passed_on(name: str, shell: Shell) -> None:
    (shell.job / CONTROL).mkdir()
    assert shell("wants_abort").returncode == 1
    (shell.job / name).touch()

    assert shell(f"{WAITS}; wants_abort && aborted && abort_was_wanted").returncode == 0
    shell(f"{WAITS}; open_control; pass_abort_on")

    assert (shell.job / "PIPELINER_JOB_ABORT_NOW").exists()
    assert (shell.job / CONTROL / "RELION_JOB_ABORT_NOW").exists()


def test_an_abort_that_is_passed_on_late_does_not_stay(shell: Shell) -> None:
    """The guard was killed, but not the program by which it made the file."""
    (shell.job / CONTROL).mkdir()
    (shell.job / "RELION_JOB_ABORT_NOW").touch()

    shell(f"{WAITS}; open_control; dispatch_status=143; tell_relion; pass_abort_on; tell_relion")

    assert told(shell) - {"RELION_JOB_ABORT_NOW"} == BOTH["ABORTED"]


def test_a_full_disk_turns_the_job_runners_success_into_a_failure(shell: Shell) -> None:
    done = shell(f"""
        {WAITS}
        f() {{ touch "$dispatch_job/PIPELINER_JOB_EXIT_SUCCESS"; }}
        probe() {{ return 1; }}
        (run f); dispatch_status=$?; tell_relion; echo "$dispatch_ending"
    """)

    assert done.stdout == "FAILURE\n"
    assert told(shell) == BOTH["FAILURE"]


@pytest.mark.parametrize(
    ("waits", "end", "name"),
    [
        ("RELION", "FAILURE", "RELION_JOB_EXIT_FAILURE"),
        ("PIPELINER", "FAILURE", "PIPELINER_JOB_EXIT_FAILED"),
        ("PIPELINER", "ABORTED", "PIPELINER_JOB_EXIT_ABORTED"),
    ],
)
def test_each_dialect_has_its_names(waits: str, end: str, name: str, shell: Shell) -> None:
    said = shell.says(f'end_file {waits} {end}; echo "${{dispatch_end_file##*/}}"')

    assert said == name
