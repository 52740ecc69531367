"""The record of a run that could not write it, by both writers (runs.sh, jobs/lost_run.py)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dispatcher.host.shared_files import shared_folder
from dispatcher.jobs import lost_run
from dispatcher.jobs.record import load_record

from .conftest import TOKEN, Shell
from .goes_on import GOES_ON, RECORD, claim

THEN = 1_800_000_000  # 2027-01-15, 8:00
LEASE = (
    f"token {TOKEN}\nrun 1\nstarted 2026-11-29T08:00:00+00:00\nhost gpu7\nscheduler_job_id 17\n"
    "process 5 300 gpu7 pid:[4026531836]\ndone 0\nbegan_with 5\nidle_before 1\nranks 9\n"
    "most_each 2\nfrom_iteration 5\ndone 1\n"
)
LEASES = {
    "lease": LEASE,
    "of a later version": f"{LEASE}warmth 37\n",
    "of a crashed node": f"{LEASE}\0\0\0",
    "cut short": f"{LEASE}done",
    "another alphabet": LEASE.replace("gpu7", "gpü"),
    "empty": "",
}


def lease(shell: Shell, text: str) -> Path:
    file = shell.job / f".dispatch_lease.{TOKEN}.1"
    file.write_text(text)
    os.utime(file, (THEN, THEN))
    return file


def by_the_script(shell: Shell) -> str:
    shell("write_lost_run 1", given=GOES_ON)
    return (shell.job / f"{RECORD}.1").read_text()


def by_resume(shell: Shell) -> str:
    record = shell.job / "dispatch.json"
    record.write_text(json.dumps({"token": TOKEN, "goes_on": {"after": ["lost_node"]}}))
    with shared_folder(shell.job) as opened:
        lost_run.write_lost_run(opened, load_record(record))
    return (shell.job / f"{RECORD}.1").read_text()


def test_the_record_says_what_the_lease_says(shell: Shell) -> None:
    file = lease(shell, LEASE)

    record = by_the_script(shell).splitlines()

    assert [line for line in record if not line.startswith("reason")] == [
        f"token {TOKEN}", "run 1", "started 2026-11-29T08:00:00+00:00", "host gpu7",
        "scheduler_job_id 17", "done 1", "began_with 5", "idle_before 1", "ranks 9", "most_each 2",
        "from_iteration 5", "ended 2027-01-15T08:00:00+00:00", "ending GOES_ON", "why lost_node",
    ]  # fmt: skip
    assert not file.exists()
    assert shell.says(f'number_in "$dispatch_job/{RECORD}.1" "done"') == "1"


def test_without_a_lease_the_record_says_what_the_claim_says(shell: Shell) -> None:
    claim(shell, 1, by="gpu9, process 5, 2026")
    os.utime(shell.job / f".dispatch_claim.{TOKEN}", (THEN, THEN), follow_symlinks=False)

    record = by_the_script(shell).splitlines()

    assert record[:-1] == [
        f"token {TOKEN}", "run 1", "started 2027-01-15T08:00:00+00:00", "host gpu9",
        "scheduler_job_id 17", "ended 2027-01-15T08:00:00+00:00", "ending GOES_ON", "why lost_node",
    ]  # fmt: skip


@pytest.mark.parametrize("text", LEASES.values(), ids=LEASES)
def test_both_write_the_same_of_a_lease(text: str, shell: Shell) -> None:
    claim(shell, 1)
    lease(shell, text)
    record = by_the_script(shell)
    file = lease(shell, text)

    assert by_resume(shell) == record
    assert not file.exists()


@pytest.mark.parametrize("job", ["17", "17.pbs01", ""])
def test_both_write_the_same_of_a_claim(job: str, shell: Shell) -> None:
    claim(shell, 1, job)

    assert by_resume(shell) == by_the_script(shell)


LATE = """
late() (
    me=$BASHPID dispatch_run=1
    new_file() { head -n 1 >"$1"; kill -KILL $me; }
    write_record "$(record_of 1)" GOES_ON lost_node "It was killed while it wrote this."
)
new_file() { dd of="$1" conv=excl status=none; late; true; }
"""


def test_a_late_run_that_writes_at_the_same_moment_spoils_no_record(shell: Shell) -> None:
    lease(shell, LEASE)
    shell(f"{LATE}dispatch_run=2; write_lost_run 1", given=GOES_ON)
    record = (shell.job / f"{RECORD}.1").read_text()
    assert "ending GOES_ON\nwhy lost_node\n" in record
    assert not list(shell.job.glob(".*")), "nor does a part of one stay"


def test_what_the_lost_run_has_left_half_written_goes(shell: Shell) -> None:
    claim(shell, 1)
    (shell.job / f"{RECORD}.1").write_text("ending GOES_ON\n")
    for number, write in ((1, by_the_script), (2, by_resume)):
        unfinished = shell.job / f".{RECORD}{'.2' if number == 2 else ''}.new"
        unfinished.touch()
        if number == 2:
            claim(shell, 2)
        write(shell)
        assert not unfinished.exists()


def test_the_last_run_leaves_no_half_written_record_of_any(shell: Shell) -> None:
    for number in ("", ".2", ".3"):
        (shell.job / f".{RECORD}{number}.new").touch()
    shell("dispatch_run=3 dispatch_ending=SUCCESS; write_run", given=GOES_ON)
    assert "ending SUCCESS\n" in (shell.job / RECORD).read_text()
    assert not list(shell.job.glob(".*.new"))


def test_what_tells_the_lease_from_others_is_not_of_the_run(shell: Shell) -> None:
    lease(shell, LEASE)
    said = shell.says('values_of_lost_run "$(lease_of 1)"', given=GOES_ON).split("\n")
    assert [line.split()[0] for line in said] == [
        "started", "host", "scheduler_job_id", "done", "began_with", "idle_before", "ranks",
        "most_each", "from_iteration",
    ]  # fmt: skip
