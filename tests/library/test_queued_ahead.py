"""Next runs that wait in the queue from the submission on (queued_ahead.sh)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import TOKEN, Shell

LINE = f".dispatch_line.{TOKEN}"
CLAIM = f".dispatch_claim.{TOKEN}"
RECORD = f"dispatch.run.{TOKEN}"
CLAIMED = 'claim_job; echo "$dispatch_run:$dispatch_reason"'


def goes_on(
    after: str = "time_limit lost_node", job: str = "18.pbs01", follows: str = "17"
) -> list[str]:
    return [
        f"dispatch_goes_on_after=({after})",
        "dispatch_goes_on_at_most=9",
        "dispatch_gives_up_after=2",
        "dispatch_queued_ahead=2",
        f"dispatch_scheduler_job={job}",
        f"dispatch_follows={follows}",
    ]


@pytest.fixture
def line(shell: Shell) -> Path:
    """The job 17, and behind it 18 and 19."""
    file = shell.job / LINE
    file.write_text("17\n18\n19\n")
    return file


def claim(shell: Shell, number: int, job: str) -> None:
    name = CLAIM if number == 1 else f"{CLAIM}.{number}"
    (shell.job / name).symlink_to(f"gpu1, process 5, 2026, job {job}")


def gone_on(shell: Shell, number: int) -> None:
    (shell.job / f"{RECORD}.{number}").write_text("done 0\n")


@pytest.mark.parametrize(
    ("printed", "seen", "same"),
    [("17", "17", 1), ("17", "17.pbs01", 1), ("17", "171", 0), ("17.pbs01", "17", 0), ("", "", 0)],
)
def test_an_id_may_be_printed_without_its_server(
    printed: str, seen: str, same: int, shell: Shell
) -> None:
    said = shell.says(f"is_same_job '{printed}' '{seen}' && echo same")
    assert said == ("same" if same else "")


def test_the_line_is_read_from_a_file_of_ones_own(line: Path, shell: Shell) -> None:
    ask = "jobs_in_line; echo -; behind_in_line 17.pbs01; echo -; behind_in_line 20"
    assert shell.says(ask).split() == ["17", "18", "19", "-", "18", "19", "-"]
    assert shell.says("line_from 18.pbs01").split() == ["18", "19"]
    line.write_text("17\n-u\n20\n")
    assert shell.says("jobs_in_line") == "", "what is damaged is not used"
    line.unlink()
    assert shell.says("jobs_in_line; waiting_in_line; whose_turn") == ""
    line.symlink_to("/etc/passwd")
    assert shell.says("jobs_in_line") == ""


def test_whose_turn_it_is(line: Path, shell: Shell) -> None:
    ask = 'echo $(whose_turn) - $(waiting_in_line) - "$(job_of_run 1)"; has_begun 17 && echo begun'
    assert shell.says(ask) == "17 - 17 18 19 - "
    claim(shell, 1, "17.pbs01")
    assert shell.says(ask).split("\n") == ["17 18 - 18 19 - 17.pbs01", "begun"]
    claim(shell, 2, "18.pbs01")
    assert shell.says("echo $(whose_turn) - $(waiting_in_line)") == "18 19 - 19"
    claim(shell, 3, "19.pbs01")
    assert shell.says("echo $(whose_turn) - $(waiting_in_line)") == "19 -"
    claim(shell, 4, "30.pbs01")  # as of another copy
    assert shell.says("echo $(whose_turn) - $(waiting_in_line)") == "-"


@pytest.mark.parametrize("does", [", and gave the submission up", ", which told the end, job 18"])
def test_a_claim_that_no_run_has_made_begins_nothing(does: str, line: Path, shell: Shell) -> None:
    ask = 'echo $(newest_begun) - $(whose_turn) - $(waiting_in_line) - "$(job_of_run %d)"'
    (shell.job / CLAIM).symlink_to(f"here{does}")
    assert shell.says(ask % 1) == "0 - 17 - 17 18 19 - "
    (shell.job / CLAIM).unlink()
    claim(shell, 1, "17.pbs01")
    (shell.job / f"{CLAIM}.2").symlink_to(f"here{does}")
    assert shell.says(ask % 2) == "1 - 17 18 - 18 19 - "
    assert shell.says("is_jobs_claim 'gpu1, process 5, 2026, job 17' && echo yes") == "yes"


def test_of_a_line_that_resume_has_made_the_first_one_comes_next(line: Path, shell: Shell) -> None:
    claim(shell, 1, "16.pbs01")
    gone_on(shell, 1)
    assert shell.says("whose_turn") == "17"


@pytest.mark.parametrize("lost", [False, True])
def test_the_next_in_line_has_the_next_run(lost: bool, line: Path, shell: Shell) -> None:
    claim(shell, 1, "17.pbs01")
    if not lost:
        gone_on(shell, 1)
    assert shell.says(CLAIMED, given=goes_on()) == "2:"
    assert shell.says("has_begun 18 && echo begun") == "begun"


def test_a_run_before_that_was_lost_may_have_been_of_a_copy_too(line: Path, shell: Shell) -> None:
    claim(shell, 1, "17.pbs01")
    claim(shell, 2, "18.pbs01")
    given = goes_on(job="19.pbs01", follows="18")
    assert shell.says("has_waited_for 'x, job 18.pbs01' && echo yes", given=given) == "yes"
    assert shell.says(CLAIMED, given=given) == "3:"


def test_a_lost_run_that_the_job_does_not_survive(line: Path, shell: Shell) -> None:
    claim(shell, 1, "17.pbs01")
    said = shell.says(CLAIMED, given=goes_on("time_limit"))
    assert said.startswith("2:The job does not go on, because its run 1 ended without a word")
    assert '"lost_node"' in said


@pytest.mark.parametrize(("run", "says"), [(1, "did not begin"), (2, "does not go on")])
def test_behind_a_job_that_never_began_nothing_computes(
    run: int, says: str, line: Path, shell: Shell
) -> None:
    if run == 2:
        claim(shell, 1, "17.pbs01")
        gone_on(shell, 1)
    given = goes_on(job=f"{17 + run}.pbs01", follows=str(16 + run))
    said = shell.says(CLAIMED, given=given)
    assert said.startswith(f"{run}:The job {says}, because")
    assert "cancelled in the queue" in said


def test_a_run_of_a_job_outside_the_line_is_left_alone(line: Path, shell: Shell) -> None:
    """Such as the twin of a job that its scheduler has taken twice."""
    claim(shell, 1, "16.pbs01")
    said = shell.says(CLAIMED, given=goes_on())
    assert "another copy has the job" in said
    assert not (shell.job / f"{CLAIM}.2").is_symlink()


@pytest.mark.parametrize("by", ["RELION_JOB_EXIT_SUCCESS", RECORD, "run_submit.script.run"])
def test_a_copy_that_comes_too_late_ends_without_a_word(by: str, line: Path, shell: Shell) -> None:
    (shell.job / by).write_text("dispatch_token=ffffffffffff\n")
    done = shell(f"comes_too_late && {CLAIMED}; echo $?", given=goes_on())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (shell.job / CLAIM).is_symlink()


@pytest.mark.parametrize("by", ["RELION_JOB_EXIT_SUCCESS", RECORD])
def test_a_job_that_is_over_is_not_started_again(by: str, shell: Shell) -> None:
    """Its scheduler may put it back, as when it has lost the node on which it ended."""
    claim(shell, 1, "17")
    gone_on(shell, 1)
    assert shell("is_over").returncode == 1
    (shell.job / by).touch()
    given = goes_on(job="17", follows="")
    assert shell.says(f"is_over && {CLAIMED}", given=given) == ""
    assert shell.says(CLAIMED, given=["dispatch_scheduler_job=17"]) == ""


def test_the_first_of_the_line_is_no_copy(line: Path, shell: Shell) -> None:
    given = goes_on(job="17.pbs01", follows="")
    assert shell.says(f"is_queued_ahead || {CLAIMED}", given=given) == "1:"
    assert shell.says("why_not_its_turn", given=given) == ""


QSTAT = "#!/bin/bash\necho $* >>{}\n{}\n"


def qstat(shell: Shell, does: str) -> None:
    program = shell.programs / "qstat"
    program.write_text(QSTAT.format(shell.log, does))
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("job", "does", "waits"),
    [
        ("17.pbs01", "exit 0", True),
        ("17.pbs01", "echo cannot connect >&2; exit 255", True),
        ("17.pbs01", "echo qstat: Unknown Job Id 18 >&2; exit 153", False),
        ("19.pbs01", "exit 0", False),
        ("30.pbs01", "exit 0", False),
    ],
)
def test_whether_the_next_run_waits(
    job: str, does: str, waits: bool, line: Path, shell: Shell
) -> None:
    qstat(shell, does)
    said = shell.says("next_run_waits && echo waits", scheduler="pbs", given=goes_on(job=job))
    assert said == ("waits" if waits else "")


@pytest.mark.parametrize("scheduler", ["slurm", "gridengine", "pbs", "lsf"])
def test_a_node_without_the_schedulers_commands_believes_the_line(
    scheduler: str, line: Path, shell: Shell
) -> None:
    ask = "command() { return 1; }; dispatch_cut=time_limit; go_on && echo goes on"
    given = goes_on(job="17")
    assert shell.says(ask, scheduler=scheduler, given=given) == "goes on"
    assert not (shell.job / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_line_that_is_used_up_ends_the_job(line: Path, shell: Shell) -> None:
    given = [*goes_on(job="19.pbs01"), "dispatch_cut=time_limit"]
    said = shell("dispatch_cut=time_limit dispatch_status=143; go_on", scheduler="pbs", given=given)
    assert (shell.job / "RELION_JOB_EXIT_FAILURE").exists()
    assert 'ask your admin to raise "queued_ahead" of "goes_on", which is 2.' in said.stderr
    assert shell.says("why_none_waits", given=given) in said.stderr


@pytest.mark.parametrize(
    ("scheduler", "program"),
    [("pbs", "qdel"), ("slurm", "scancel"), ("gridengine", "qdel"), ("lsf", "bkill")],
)
def test_what_still_waits_at_the_end_is_cancelled(
    scheduler: str, program: str, line: Path, shell: Shell
) -> None:
    cancels = shell.programs / program
    cancels.write_text(QSTAT.format(shell.log, "true"))
    cancels.chmod(0o755)
    given = goes_on(job="17.pbs01", follows="")
    shell("dismiss_next_runs", scheduler=scheduler, given=given)
    assert not shell.log.exists(), "the job goes on"

    (shell.job / "RELION_JOB_EXIT_SUCCESS").touch()
    shell("dismiss_next_runs", scheduler=scheduler, given=given)
    assert shell.log.read_text() == "19 18\n", "the last one first, and not the job itself"
    shell("dismiss_next_runs", scheduler=scheduler, given=goes_on(job="19.pbs01"))
    assert shell.log.read_text() == "19 18\n"
    assert shell.says("cancel_jobs 5; echo $?") == "0"
