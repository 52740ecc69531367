"""How a run begins behind those before it (runs.sh, begin.sh)."""

from __future__ import annotations

from .conftest import TOKEN, Shell
from .goes_on import GOES_ON, RECORD, claim


def test_a_run_begins_with_what_those_before_have_reached(shell: Shell) -> None:
    (shell.job / f"{RECORD}.2").write_text("done 2\nbegan_with 2000007\nidle_before 1\n")
    code = 'follow_runs; echo "$dispatch_done $dispatch_began_with $dispatch_idle_before"'

    assert shell.says(code, given=[*GOES_ON, "dispatch_host=here"]) == "0 0 0"
    assert shell.says(f"dispatch_run=3; {code}", given=GOES_ON) == "2 2000007 1"


def test_a_job_of_one_run_follows_none(shell: Shell) -> None:
    said = shell("set -u; follow_runs; echo begins")
    assert (said.stdout, said.stderr) == ("begins\n", "")


def test_a_run_that_was_lost_before_it_began_changes_nothing(shell: Shell) -> None:
    (shell.job / f"{RECORD}.1").write_text("done 2\nbegan_with 2000007\nidle_before 1\n")
    claim(shell, 2)
    code = 'follow_runs; echo "$dispatch_done $dispatch_began_with $dispatch_idle_before"'

    assert shell.says(f"dispatch_run=3; {code}", given=GOES_ON) == "2 2000007 1"
    assert (shell.job / f"{RECORD}.2").exists()


def test_a_run_waits_for_all_runs_before_it(shell: Shell) -> None:
    """One that was cut while it waited has left a lost one behind, which may still compute."""
    (shell.job / f".dispatch_lease.{TOKEN}.1").write_text("done 1\nbegan_with 4\n")
    (shell.job / f"{RECORD}.2").write_text("done 1\nbegan_with 4\n")
    code = (
        "await_end_of() { echo waits for $1: $dispatch_done; [ $1 -ne 1 ] || rm $(lease_of 1); }; "
        "dispatch_run=3; follow_runs"
    )
    said = shell.says(code, given=GOES_ON)
    assert said.split("\n") == ["waits for 1: 1"]


def test_a_run_that_finds_the_job_succeeded_leaves_it_so(shell: Shell) -> None:
    """The run before has told RELION after this one had its claim."""
    end = shell.job / "RELION_JOB_EXIT_SUCCESS"
    end.touch()
    code = (
        "begin_guard() { :; }; trap 'tell_relion; echo $dispatch_ending' EXIT; dispatch_run=%d; "
        "begin_unless_over; echo begins"
    )
    assert shell.says(code % 2, given=GOES_ON) == "SUCCESS"
    assert end.exists()
    shell(f"trap - EXIT; {code % 1}; trap - EXIT", given=GOES_ON)
    assert not end.exists(), "of an earlier submission"


def test_a_job_goes_on_as_often_as_it_is_to(shell: Shell) -> None:
    (shell.job / f"{RECORD}.3").touch()
    (shell.job / f"{RECORD}.4").touch()
    code = 'follow_runs; echo "begins"'

    assert shell.says(f"dispatch_run=4; {code}", given=GOES_ON) == "begins"
    code = f"trap 'echo \"$dispatch_reason\"' EXIT; dispatch_run=5; {code}"
    assert "has gone on 3 times" in shell.says(code, given=GOES_ON)


def test_what_the_newest_record_says_holds(shell: Shell) -> None:
    (shell.job / f"{RECORD}.1").write_text("done 1\nbegan_with 3\nmost_each 2\nwhy gpu_memory\n")
    (shell.job / f"{RECORD}.2").write_text("why lost_node\n")
    code = (
        "dispatch_run=3; learn_from_runs_before; "
        'echo "$dispatch_done $dispatch_began_with $dispatch_most_each $dispatch_why_before"'
    )
    assert shell.says(code, given=GOES_ON) == "1 3 2 gpu_memory"
