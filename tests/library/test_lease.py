"""The lease of a run, which tells the next one whether its programs may still write (lease.sh)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dispatcher.jobs.last_seen import LEASE_OVER

from .conftest import TOKEN, Shell
from .goes_on import GOES_ON

BEGIN = (
    "dispatch_script_began=$(process_began $$) dispatch_started=now; heed_signals; "
    'finish() { echo "ended $dispatch_status ${dispatch_lost_lease:-}"; }; '
)
LOSES = (
    "dispatch_lease_renewed=1 dispatch_lease_lost=3 dispatch_session=$$; renew_lease() { %s; }; "
)


@pytest.fixture
def lease(shell: Shell) -> Path:
    """Where the lease of the first run is."""
    return shell.job / f".dispatch_lease.{TOKEN}.1"


def test_a_job_of_one_run_has_no_lease(shell: Shell, lease: Path) -> None:
    shell(f"{BEGIN}begin_lease; note_in_lease a b; end_lease")
    assert not lease.exists()


def test_a_lease_says_what_the_next_run_needs(shell: Shell, lease: Path) -> None:
    code = 'begin_lease; note_in_lease "done" 1; cat "$(lease_of 1)"; renew_lease; end_lease'
    said = shell.says(f"trap - EXIT; {BEGIN}{code}", given=[*GOES_ON, "dispatch_done=0"])

    assert f"token {TOKEN}\nrun 1\nstarted now\nhost here\nscheduler_job_id 17\nprocess " in said
    assert "\ndone 0\nbegan_with 0\nidle_before 0\ndone 1\n" in said
    assert not lease.exists()


def test_a_folder_that_cannot_be_written_to_ends_the_job(shell: Shell, lease: Path) -> None:
    lease.mkdir()
    said = shell.says(f"{BEGIN}begin_lease; echo begins", given=GOES_ON)
    assert "begins" not in said


def test_a_run_that_was_overtaken_before_it_had_a_lease_ends(shell: Shell, lease: Path) -> None:
    (shell.job / f".dispatch_claim.{TOKEN}.2").symlink_to("gpu2, process 1, 2026, job 17")
    said = shell.says(f"{BEGIN}begin_lease; echo begins", given=GOES_ON)
    assert said.startswith("ended")


def test_a_lease_is_renewed_while_the_script_runs(shell: Shell, lease: Path) -> None:
    code = (
        "dispatch_lease_renewed=1; begin_lease; "
        f"touch -d '1 hour ago' '{lease}'; sleep 6; age_of '{lease}'; end_lease"
    )
    age, ended = shell.says(f"{BEGIN}{code}", given=GOES_ON).split("\n")
    assert int(age) < 6
    assert ended.startswith("ended 0")


def test_where_a_lease_cannot_be_renewed_the_programs_end(shell: Shell, lease: Path) -> None:
    code = f"{LOSES % 'return 1'}begin_lease; sleep 30 & wait; echo late"
    began = time.monotonic()
    said = shell.says(f"{BEGIN}{code}", given=GOES_ON)
    assert time.monotonic() - began < 25
    assert "late" not in said
    assert said.endswith("ended 140 yes")


def test_a_file_system_that_does_not_answer_does_not_keep_the_programs_running(
    shell: Shell, lease: Path
) -> None:
    code = f"{LOSES % 'sleep 60'}begin_lease; sleep 30 & wait; echo late"
    said = shell.says(f"{BEGIN}{code}", given=GOES_ON)
    assert said.endswith("ended 140 yes")


def test_a_job_that_was_suspended_has_not_lost_its_lease(shell: Shell, lease: Path) -> None:
    code = (
        'read() { [ "$*" != "-rt 2 -u 8" ] || SECONDS=$((SECONDS + ${jump:-1000})) jump=0; '
        'builtin read "$@"; }; '
        "dispatch_lease_renewed=1 dispatch_lease_lost=14 dispatch_session=$$; begin_lease; "
        "sleep 6; echo lives; end_lease"
    )
    assert shell.says(f"{BEGIN}{code}", given=GOES_ON) == "lives\nended 0 "


def test_a_number_that_another_process_has_now_is_not_killed(shell: Shell) -> None:
    code = "sleep 20 & (sleep 20 & echo $! >number; wait) & sleep 1; read other <number; "
    code += "dispatch_lease_keeper=$other; end_lease; kill -0 $other && echo lives; kill $other"
    assert shell.says(f"{code} $!", given=GOES_ON) == "lives"
    own = "sleep 20 & dispatch_lease_keeper=$!; end_lease; wait $!; echo $?"
    assert shell.says(own, given=GOES_ON) == "137"


def test_a_lease_that_names_no_process_is_held(shell: Shell, lease: Path) -> None:
    """Whoever shares the project could have it open a pipe."""
    (shell.project / "pipe").mkdir()
    os.mkfifo(shell.project / "pipe" / "stat")
    place = shell.says("this_place")
    held(lease, 20, f"..{shell.project}/pipe 1 {place}")
    assert shell.says(ASK) == ""


def held(lease: Path, seconds: int, process: str) -> None:
    lease.write_text(f"host here\nprocess {process}\n")
    os.utime(lease, (time.time() - seconds, time.time() - seconds))


ASK = 'lease_is_over "$(lease_of 1)" && echo over'


def test_a_lease_is_over_when_it_is_gone_or_old(shell: Shell, lease: Path) -> None:
    assert shell.says(ASK) == "over"
    held(lease, 100, "5 77 elsewhere pid:[1]")
    assert shell.says(ASK) == ""
    held(lease, 121, "5 77 elsewhere pid:[1]")
    assert shell.says(ASK) == "over"


def test_a_process_that_is_gone_from_this_machine_holds_no_lease(shell: Shell, lease: Path) -> None:
    place = shell.says("this_place")
    began = shell.says("process_began $PPID")
    held(lease, 20, f"{os.getpid()} {began} {place}")
    assert shell.says(ASK) == "", "the process runs"
    held(lease, 20, f"{os.getpid()} 1 {place}")
    assert shell.says(ASK) == "over"
    held(lease, 5, f"{os.getpid()} 1 {place}")
    assert shell.says(ASK) == "", "its guard may still end programs"


def test_the_next_run_waits_for_the_end_of_the_one_before(shell: Shell, lease: Path) -> None:
    held(lease, 0, "5 77 elsewhere pid:[1]")
    code = f"(sleep 3; rm '{lease}') & dispatch_run=2; await_end_of 1; echo begins"
    first, last = shell.says(code, given=GOES_ON).split("\n")
    assert "Run 2 of the job begins as soon as its run 1 has ended" in first
    assert last == "begins"


def test_who_aborts_does_not_wait(shell: Shell, lease: Path) -> None:
    held(lease, 0, "5 77 elsewhere pid:[1]")
    (shell.job / "RELION_JOB_ABORT_NOW").touch()
    said = shell.says(
        "trap 'echo $dispatch_ending' EXIT; dispatch_run=2; await_end_of 1", given=GOES_ON
    )
    assert said.endswith("ABORTED")


def test_the_keeper_of_a_lease_ends_with_the_script(shell: Shell, lease: Path) -> None:
    said = shell.says(f"{BEGIN}dispatch_script_began=0; keep_lease; echo ended", given=GOES_ON)
    assert said.startswith("ended")


def test_programs_that_nobody_can_end_keep_the_lease(shell: Shell, lease: Path) -> None:
    lease.touch()
    code = "dispatch_session='' dispatch_cut=%s; end_lease"
    shell(code % "time_limit", given=GOES_ON)
    assert lease.exists(), "the next run waits until the lease is old"
    shell(code % "''", given=GOES_ON)
    assert not lease.exists()


def test_a_job_that_does_not_survive_the_loss_of_its_node_computes_on(
    shell: Shell, lease: Path
) -> None:
    code = f"{LOSES % 'return 1'}dispatch_goes_on_after=(time_limit); begin_lease; sleep 12 & wait"
    said = shell.says(f"{BEGIN}{code}; echo computed", given=GOES_ON)
    assert said.startswith("computed")


def test_a_lease_is_not_renewed_once_the_next_run_has_begun(shell: Shell, lease: Path) -> None:
    lease.touch()
    assert shell.says("renew_lease && echo renewed", given=GOES_ON) == "renewed"
    (shell.job / f".dispatch_claim.{TOKEN}.2").symlink_to("gpu2, process 1, 2026, job 17")
    assert shell.says("renew_lease && echo renewed", given=GOES_ON) == ""


def test_a_run_gives_up_before_the_next_one_begins(shell: Shell) -> None:
    code = (
        'know_lease_times; echo "$dispatch_lease_renewed $dispatch_lease_lost $dispatch_lease_over"'
    )
    renewed, lost, over = map(int, shell.says(code).split())
    assert over == LEASE_OVER
    assert 3 * renewed <= lost
    assert lost + 20 <= over, "it needs some seconds to end its programs"
