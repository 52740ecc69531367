"""How a job begins: claimed once, not if it is over already, with its lock."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from .conftest import TOKEN, Shell

CLAIM = f".dispatch_claim.{TOKEN}"


def test_the_first_copy_claims_the_job_and_removes_claims_before_it(shell: Shell) -> None:
    (shell.job / ".dispatch_claim.ffffffffffff").symlink_to("an earlier run")

    assert shell.says("claim_job; echo goes on") == "goes on"

    claim = str((shell.job / CLAIM).readlink())
    assert claim.startswith("here, process ") and claim.endswith(", job 17")
    assert [path.name for path in shell.job.iterdir()] == [CLAIM]


def test_a_second_copy_stops_and_says_who_has_the_job(shell: Shell) -> None:
    (shell.job / CLAIM).symlink_to("gpu2, process 5, now, job 18")

    done = shell("claim_job; echo goes on")

    assert done.returncode == 0
    assert "another copy" in done.stdout and "gpu2, process 5" in done.stdout
    assert "goes on" not in done.stdout


@pytest.mark.parametrize("told", [True, False])
def test_a_job_that_its_scheduler_starts_once_more_does_not_begin_anew(
    told: bool, shell: Shell
) -> None:
    (shell.job / CLAIM).symlink_to("gpu2, process 5, now, job 17")
    if told:
        (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()

    said = shell.says('claim_job; echo "$dispatch_reason"')

    assert ("started the job again" in said) != told


def test_a_folder_that_cannot_be_written_is_a_reason(shell: Shell) -> None:
    given = ["dispatch_job=Refine3D/gone"]
    said = shell.says('claim_job; echo "$dispatch_reason"', given=given)

    assert "the job cannot write to Refine3D/gone on here" in said
    assert said == shell.says("why_not_written", given=given)


def test_a_claim_of_the_overtaken_is_taken_back(shell: Shell) -> None:
    (shell.job / "run_submit.script.run").write_text("dispatch_token=ffffffffffff\n")

    done = shell("claim_job; echo goes on")

    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert "was submitted again" in done.stdout
    assert not (shell.job / CLAIM).is_symlink()


@pytest.mark.parametrize(
    ("script", "overtaken"),
    [
        (None, False),
        (f"dispatch_token={TOKEN}\n", False),
        ("#!/bin/bash\ndispatch_token=ffffffffffff\n", True),
        ("#!/bin/bash\necho a template of the site's own\n", False),
    ],
)
def test_only_another_token_in_the_folder_overtakes(
    script: str | None, overtaken: bool, shell: Shell
) -> None:
    if script:
        (shell.job / "run_submit.script.run").write_text(script)

    assert shell("overtaken").returncode == (0 if overtaken else 1)


@pytest.mark.parametrize(
    ("name", "how"),
    [("RELION_JOB_ABORT_NOW", "aborted in RELION"), ("RELION_JOB_EXIT_ABORTED", "aborted")],
)
def test_an_aborted_job_does_not_begin(name: str, how: str, shell: Shell) -> None:
    (shell.job / name).touch()

    said = shell.says("trap 'echo \"$dispatch_ending: $dispatch_reason\"' EXIT; begin_unless_over")

    assert said == f"ABORTED: The job was {how} before it started."
    assert shell("aborted").returncode == 0
    assert not (shell.job / f".dispatch_control.{TOKEN}").exists()


def test_a_job_that_is_not_aborted_says_so(shell: Shell) -> None:
    assert shell("aborted").returncode == 1


def test_an_abort_before_the_start_ends_with_0(shell: Shell) -> None:
    done = shell("trap 'echo $dispatch_ending' EXIT; abort_before_start")

    assert (done.returncode, done.stdout) == (0, "ABORTED\n")


def test_a_job_that_has_failed_for_relion_does_not_begin(shell: Shell) -> None:
    (shell.job / "RELION_JOB_EXIT_FAILURE").touch()

    done = shell("trap 'echo \"$dispatch_reason\"' EXIT; begin_unless_over")

    assert done.returncode == 1
    assert "RELION was already told that the job had failed" in done.stdout


def test_what_an_earlier_run_has_left_goes_when_a_job_begins(shell: Shell) -> None:
    (shell.job / ".dispatch_control.ffffffffffff").mkdir()
    (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()

    shell("begin_guard() { :; }; begin_unless_over")

    assert [path.name for path in shell.job.iterdir()] == [f".dispatch_control.{TOKEN}"]
    control = shell.job / f".dispatch_control.{TOKEN}"
    assert (control / "reserve").stat().st_size == 65536
    assert (control / "ending").stat().st_size == 0


def test_the_lock_is_waited_for_and_kept(shell: Shell, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = f'wait_for_lock; flock -n "{lock}" true; echo $?'

    assert shell.says(code, given=[f"dispatch_lock='{lock}'"]) == "1"


def test_who_has_the_lock_says_so_to_those_that_wait(shell: Shell, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("what an earlier job has left, which was of a longer name\n" * 9)

    shell("wait_for_lock", given=[f"dispatch_lock='{lock}'"])

    assert lock.read_text() == f"{TOKEN}\n{shell.job.relative_to(shell.project)}\n{shell.project}\n"


def test_a_job_that_is_aborted_while_it_waits_for_the_lock_ends(
    shell: Shell, tmp_path: Path
) -> None:
    lock = tmp_path / "lock"
    code = f"""
        trap 'echo "$dispatch_ending"' EXIT
        exec 7>>'{lock}'; flock 7
        (sleep 0.2; touch "$dispatch_job/RELION_JOB_ABORT_NOW") 7>&- &
        wait_for_lock
    """

    assert shell.says(code, given=[f"dispatch_lock='{lock}'"]) == "ABORTED"


def test_a_lock_that_cannot_be_had_is_a_reason(shell: Shell) -> None:
    """It is no file that can be locked."""
    (shell.project / "flock").write_text("#!/bin/sh\nexit 69\n")
    (shell.project / "flock").chmod(0o755)
    code = "trap 'echo \"$dispatch_reason\"' EXIT; wait_for_lock"

    said = shell.says(
        code,
        given=[f"dispatch_lock='{shell.project}/lock'"],
        PATH=f"{shell.project}:{os.environ['PATH']}",
    )

    assert f"the lock {shell.project}/lock cannot be taken" in said


def test_a_job_begins_in_this_order(shell: Shell) -> None:
    steps = [
        "forget_scheduler_options", "claim_job", "find_session", "heed_signals",
        "begin_unless_over", "wait_for_lock", "reasons", "remember_texts",
    ]  # fmt: skip
    functions = "".join(f"{step}() {{ echo {step}; }}\n" for step in steps)

    said = shell.says(f'{functions}begin_job; echo "$dispatch_host"', given=["dispatch_lock=x"])

    assert said.splitlines() == [*steps, socket.gethostname()]


def test_a_claim_that_could_not_be_had_ends_the_job_once_relion_can_be_told(shell: Shell) -> None:
    code = """
        claim_job() { dispatch_reason="no claim"; }
        heed_signals() { trap 'echo "told: $dispatch_reason"' EXIT; }
        begin_job
        echo goes on
    """

    done = shell(code)

    assert (done.returncode, done.stdout) == (1, "told: no claim\n")


def test_run_out_and_run_err_are_opened_where_the_scheduler_does_not(shell: Shell) -> None:
    done = shell("opens_texts() { return 1; }; opens_texts || open_texts; echo out; echo err >&2")

    assert (done.stdout, done.stderr) == ("", "")
    assert (shell.job / "run.out").read_text() == "out\n"
    assert (shell.job / "run.err").read_text() == "err\n"
