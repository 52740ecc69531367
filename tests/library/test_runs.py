"""The runs of a job that goes on: their claims and records (runs.sh, claim.sh, record.sh)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import TOKEN, Shell
from .goes_on import CLAIM, GOES_ON, RECORD, claim

CLAIMED = 'claim_job; echo "$dispatch_run:$dispatch_reason:$(readlink "$dispatch_claim")"'


def test_runs_have_names_of_their_own(shell: Shell) -> None:
    names = "run_token $n; claim_of $n; record_of $n; lease_of $n; unfinished_record $n"
    code = f"for n in 1 2 12; do {names}; done"
    lines = shell.says(f"dispatch_folder=F; {code}").splitlines()

    assert lines[0::5] == [TOKEN, f"{TOKEN}.2", f"{TOKEN}.12"]
    assert lines[1::5] == [f"F/{CLAIM}", f"F/{CLAIM}.2", f"F/{CLAIM}.12"]
    assert lines[2::5] == [f"F/{RECORD}.{number}" for number in (1, 2, 12)]
    assert lines[3::5] == [f"F/.dispatch_lease.{TOKEN}.{number}" for number in (1, 2, 12)]
    assert lines[4::5] == [f"F/.{RECORD}{number}.new" for number in ("", ".2", ".12")]


def test_only_a_job_that_goes_on_may_have_runs(shell: Shell) -> None:
    assert shell.says("set -u; may_have_runs || echo one") == "one"
    ask = "may_have_runs && echo may; survives time_limit && echo survives"
    assert shell.says(ask) == ""
    assert shell.says(ask, given=GOES_ON) == "may\nsurvives"
    assert shell.says("survives preemption || survives time; echo $?", given=GOES_ON) == "1"


@pytest.mark.parametrize(
    ("before", "claimed"),
    [
        ([], 1),
        (["record 1"], 2),
        (["record 1", "claim 2", "record 2"], 3),
        (["claim 2", "record 2"], 3),  # the first run was lost
    ],
)
def test_the_next_run_is_claimed_once_the_one_before_has_gone_on(
    before: list[str], claimed: int, shell: Shell
) -> None:
    if before:
        claim(shell, 1, "other")
    for kind, number in (each.split() for each in before):
        if kind == "claim":
            claim(shell, int(number), "other")
        else:
            (shell.job / f"{RECORD}.{number}").write_text("done 1\n")

    number, reason, owner = shell.says(CLAIMED, given=GOES_ON).split(":", 2)

    assert int(number) == claimed
    assert reason == ""
    assert owner.startswith("here, process ")
    assert owner.endswith(", job 17")
    assert shell.says("newest_run") == str(claimed)


def test_a_run_that_its_scheduler_starts_again_is_no_second_copy(shell: Shell) -> None:
    claim(shell, 1)
    assert shell.says(CLAIMED, given=GOES_ON).startswith("2::here")


@pytest.mark.parametrize(
    "link",
    [
        "gpu1, process 5, 2026, job 18",  # another copy, which runs
        "gpu1, process 5, 2026, and gave the submission up",
        "gpu1, which told the end of it, job 17",
    ],
)
def test_what_is_no_run_before_this_one_keeps_it_from_running(link: str, shell: Shell) -> None:
    (shell.job / CLAIM).symlink_to(link)

    said = shell(CLAIMED, given=GOES_ON)

    assert not (shell.job / f"{CLAIM}.2").is_symlink()
    if "told" in link:
        assert "was interrupted" in said.stdout
    else:
        assert f"claimed by: {link}" in said.stdout


def test_nothing_begins_once_relion_was_told(shell: Shell) -> None:
    claim(shell, 1)
    (shell.job / f"{RECORD}.1").touch()
    (shell.job / "RELION_JOB_EXIT_FAILURE").touch()

    assert shell.says(CLAIMED, given=GOES_ON) == ""
    assert not (shell.job / f"{CLAIM}.2").is_symlink()


def test_a_job_that_does_not_go_on_is_interrupted_by_a_second_start(shell: Shell) -> None:
    claim(shell, 1)
    assert "was interrupted" in shell.says(CLAIMED)


def test_of_copies_of_the_next_run_one_has_it(shell: Shell) -> None:
    claim(shell, 1, "other")
    (shell.job / f"{RECORD}.1").touch()
    copies = "for n in {1..8}; do (take_number; echo has $dispatch_run) & done; wait"

    said = shell.says(copies, given=[*GOES_ON, "dispatch_scheduler_job=''"]).splitlines()

    assert [line for line in said if line.startswith("has")] == ["has 2"]
    assert len(said) == 8


def test_claims_and_leases_of_other_submissions_go(shell: Shell) -> None:
    claim(shell, 1)
    (shell.job / f"{RECORD}.1").touch()
    old = [shell.job / f".dispatch_{kind}.ffffffffffff" for kind in ("claim", "claim.2", "lease.1")]
    for each in old:
        each.symlink_to("nowhere")

    shell(CLAIMED, given=GOES_ON)

    assert not any(each.is_symlink() for each in old[:1] + old[2:])
    assert (shell.job / CLAIM).is_symlink()
    assert (shell.job / f"{CLAIM}.2").is_symlink()


def test_a_newer_run_or_submission_overtakes(shell: Shell) -> None:
    ask = "overtaken && say_overtaken"
    assert shell.says(ask, given=GOES_ON) == ""
    claim(shell, 2)
    assert shell.says(ask) == "", "this job has one run"
    assert "run 1 of this job stops, because run 2" in shell.says(ask, given=GOES_ON)
    assert shell.says("next_run_has_begun && echo yes; is_submitted_again", given=GOES_ON) == "yes"
    (shell.job / "run_submit.script.run").write_text("dispatch_token=ffffffffffff\n")
    assert "it was submitted again" in shell.says(ask, given=GOES_ON)
    assert shell.says("is_submitted_again && echo yes") == "yes"


def test_values_are_read_from_regular_files_alone(shell: Shell) -> None:
    (shell.job / "file").write_text("done 3\nbegan_with 12\ndone 08\nidle x\n\0bad\n")
    (shell.job / "link").symlink_to("file")
    os.mkfifo(shell.job / "pipe")
    ask = 'cd "$dispatch_job"; for f in file link pipe none; do number_in $f "done"; done'
    assert shell.says(ask).split() == ["8", "0", "0", "0"]
    assert (
        shell.says('cd "$dispatch_job"; number_in file idle; value_in file began_with') == "0\n12"
    )


def test_a_run_that_was_overtaken_keeps_its_number(shell: Shell) -> None:
    """Else the runs would have a gap, and the next one would claim this number again."""
    ask = 'ln() { command ln -sT next $(claim_of 2); command ln "$@"; }; '
    assert "run 2 has begun" in shell.says(f"{ask}claim_job", given=GOES_ON)
    assert shell.says("newest_run", given=GOES_ON) == "2"


def test_a_run_after_which_the_job_goes_on_has_a_numbered_record(shell: Shell) -> None:
    code = "dispatch_started=now dispatch_run=2 dispatch_ranks=5 dispatch_to_iteration=8"

    shell(f"{code}; dispatch_cut=time_limit dispatch_done=1; write_run", given=GOES_ON)
    assert [path.name for path in shell.job.glob("dispatch.run.*")] == [f"{RECORD}.2"]
    lines = dict(
        line.split(" ", 1) for line in (shell.job / f"{RECORD}.2").read_text().splitlines()
    )
    assert lines["ending"] == "GOES_ON"
    assert lines["why"] == "time_limit"
    assert (lines["run"], lines["ranks"], lines["to_iteration"], lines["done"]) == (
        "2",
        "5",
        "8",
        "1",
    )

    shell(f"{code}; dispatch_ending=SUCCESS; write_run", given=GOES_ON)
    last: Path = shell.job / RECORD
    assert "ending SUCCESS\n" in last.read_text()
    assert "run 2\n" in last.read_text()
    assert "why" not in last.read_text()
    assert "began_with 0" in shell.says("values_of_run ''")


def test_a_run_that_was_overtaken_tells_the_next_what_it_has_reached(shell: Shell) -> None:
    claim(shell, 2)
    code = "dispatch_done=2; is_awaited && dispatch_ending=FAILURE; write_run; echo $dispatch_cut"

    assert shell.says(code, given=GOES_ON) == ""
    assert not list(shell.job.glob("dispatch.run.*")), "the next run no longer waits"

    (shell.job / f".dispatch_lease.{TOKEN}.1").touch()
    assert shell.says(code, given=GOES_ON) == ""
    (record,) = shell.job.glob("dispatch.run.*")
    assert record.name == f"dispatch.run.{TOKEN}.1"
    said = record.read_text().splitlines()
    assert {"ending GOES_ON", "why lost_node", "done 2"} <= {*said}
    assert "ending FAILURE" not in said


@pytest.mark.parametrize(
    ("claim", "run"),
    [
        ("gpu1, process 5, 2026, job 17", True),
        ("gpu1, process 5, 2026, and gave the submission up", False),
        ("gpu1, which told the end of it, job 17", False),
    ],
)
def test_a_claim_says_whether_a_run_has_made_it(claim: str, run: bool, shell: Shell) -> None:
    ask = f'is_of_run "{claim}" && echo yes'
    assert shell.says(ask, given=GOES_ON) == ("yes" if run else "")
    assert shell.says(ask) == "", "this job has one run"


def test_the_run_of_a_job_that_its_scheduler_starts_again_is_followed(shell: Shell) -> None:
    ask = 'is_followed "gpu1, process 5, 2026, job %s" && echo yes'
    assert shell.says(ask % 17, given=GOES_ON) == "yes"
    assert shell.says(ask % 18, given=GOES_ON) == "", "it may still run"
    (shell.job / f"{RECORD}.1").touch()
    assert shell.says(ask % 18, given=GOES_ON) == "yes"


def test_a_lost_run_is_followed_only_if_the_job_survives_that(shell: Shell) -> None:
    ask = "dispatch_goes_on_after=(%s); is_followed 'gpu1, process 5, 2026, job 17' && echo yes"
    for cause in ("lost_node", "preemption"):
        assert shell.says(ask % cause) == "yes"
    assert shell.says(ask % "time_limit gpu_memory") == ""
    (shell.job / f"{RECORD}.1").touch()
    assert shell.says(ask % "time_limit") == "yes", "that run was not lost"
