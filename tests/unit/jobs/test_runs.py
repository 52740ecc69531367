"""The runs of a job that goes on, from the files that its script leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.goes_on import MOST_TIMES
from dispatcher.jobs.notes import write_job_id
from dispatcher.jobs.record import load_record
from dispatcher.jobs.run_names import newest_number

TOKEN = "0123456789ab"
GOES_ON = {"after": ["preemption", "lost_node"], "at_most": 10, "gives_up_after": 2}
FIRST = f"""token {TOKEN}
run 1
started 2026-11-28T05:00:00+00:00
ended 2026-11-28T06:00:00+00:00
host gpu1
scheduler_job_id 17
ending GOES_ON
why preemption
reason Another job of higher priority took its place.
to_iteration 7
ranks 9
gpu gpu1 GPU-aaaa-0 720 3145728000 60 - -
"""
LAST = f"""token {TOKEN}
run 2
started 2026-11-28T07:00:00+00:00
ended 2026-11-28T08:00:00+00:00
host gpu2
scheduler_job_id 17
exit_status 0
ending SUCCESS
from_iteration 7
to_iteration 13
ranks 9
"""
LEASE = f"""token {TOKEN}
run 2
started 2026-11-28T07:00:00+00:00
host gpu2
scheduler_job_id 18
process 4711 123456 pid:[4026531836] 6f0c
done 0
from_iteration 0
from_iteration 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job that goes on, and has ended its first run."""
    write(tmp_path)
    leave(tmp_path, f"dispatch.run.{TOKEN}.1", FIRST)
    claim(tmp_path, "", "gpu1, process 7, 2026-11-28T05:00:00.5, job 17")
    return tmp_path


def write(folder: Path, **keys: Any) -> None:
    record = {"token": TOKEN, "job_id": "17", "goes_on": GOES_ON, **keys}
    leave(folder, "dispatch.json", json.dumps(record))


def leave(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def claim(folder: Path, number: str, owner: str) -> None:
    (folder / f".dispatch_claim.{TOKEN}{number}").symlink_to(owner)


def test_of_a_job_that_has_ended_all_runs_are_known(folder: Path) -> None:
    leave(folder, f"dispatch.run.{TOKEN}", LAST)

    record = load_record(folder / "dispatch.json")

    first, last = record.runs
    assert record.run == last and record.goes_on_after == ("preemption", "lost_node")
    assert (first.number, first.ending, first.why) == (1, "GOES_ON", "preemption")
    assert first.reason == "Another job of higher priority took its place."
    assert (first.from_iteration, first.to_iteration, first.ranks) == (None, 7, 9)
    assert first.gpus[0]["mean_utilisation_percent"] == 60
    assert (last.number, last.ending, last.host) == (2, "SUCCESS", "gpu2")
    assert (last.from_iteration, last.to_iteration) == (7, 13)
    assert record.merged["run"]["run"] == 2


def test_a_run_that_goes_on_now_is_known_by_its_lease(folder: Path) -> None:
    claim(folder, ".2", "gpu2, process 8, 2026-11-28T07:00:00.5, job 18")
    lease = folder / f".dispatch_lease.{TOKEN}.2"
    lease.write_text(LEASE)
    os.utime(lease, (1_800_000_000, 1_800_000_000))

    record = load_record(folder / "dispatch.json")

    assert record.run is None
    _, now = record.runs
    assert (now.number, now.started, now.host) == (2, "2026-11-28T07:00:00+00:00", "gpu2")
    assert (now.job_id, now.from_iteration, now.renewed) == ("18", 7, 1_800_000_000)
    assert now.ending is None and now.ended is None


def test_a_run_without_a_lease_is_known_by_its_claim(folder: Path) -> None:
    claim(folder, ".2", "gpu2, process 8, 2026-11-28T07:00:00.5, job 18")

    _, now = load_record(folder / "dispatch.json").runs

    assert (now.number, now.host, now.job_id, now.renewed) == (2, "gpu2", "18", None)
    assert now.started


def test_between_two_runs_the_last_one_says_that_the_job_goes_on(folder: Path) -> None:
    (only,) = load_record(folder / "dispatch.json").runs

    assert only.went_on


def test_what_was_given_up_is_no_run(folder: Path) -> None:
    claim(folder, ".2", "gpu2, process 8, 2026-11-28T07:00:00, and gave the submission up")
    claim(folder, ".3", "gpu2, which told the end of it, job 18")

    assert [run.number for run in load_record(folder / "dispatch.json").runs] == [1]


def test_a_run_reached_what_the_next_one_began_with(folder: Path) -> None:
    leave(folder, f"dispatch.run.{TOKEN}.1", FIRST.replace("to_iteration 7\n", ""))
    leave(folder, f"dispatch.run.{TOKEN}", LAST)

    assert load_record(folder / "dispatch.json").runs[0].to_iteration == 7


@pytest.mark.parametrize(
    ("claimed", "noted", "job_id"),
    [
        (None, None, "17"),
        (None, ("18", ""), "18"),
        ("18", None, "18"),
        ("18", ("18", "land"), "18"),
    ],
)
def test_the_job_has_the_id_of_its_newest_run(
    claimed: str | None, noted: tuple[str, str] | None, job_id: str, folder: Path
) -> None:
    """`resume` submits the script as another job."""
    write(folder, cluster="sea")
    if claimed:
        claim(folder, ".2", f"gpu2, process 8, 2026-11-28T07:00:00.5, job {claimed}")
    if noted:
        write_job_id(folder, TOKEN, *noted, number=2)

    record = load_record(folder / "dispatch.json")

    assert record.job_id == job_id
    assert record.cluster == ((noted[1] or None) if noted else None if claimed else "sea")


def test_the_id_of_a_job_whose_hook_was_killed_is_that_of_its_run(folder: Path) -> None:
    write(folder, job_id=None)

    assert load_record(folder / "dispatch.json").job_id == "17"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("dispatch.run.TOKEN.1", FIRST.replace("run 1", "run 2"), 'its "run" is not 1'),
        ("dispatch.run.TOKEN.1", FIRST.replace("job_id 17", "job_id --me"), "scheduler_job_id"),
        ("dispatch.run.TOKEN.1", "x" * (2 << 20), "it cannot be read"),
        ("dispatch.run.TOKEN", LAST.replace("run 2", "run 0"), "not a number from 1 to 1001"),
        ("dispatch.run.TOKEN", LAST.replace("run 2", "run 1000000"), "not a number from 1 to 1001"),
        (".dispatch_lease.TOKEN.2", LEASE.replace("18", "-18"), "scheduler_job_id"),
        (".dispatch_lease.TOKEN.2", "x" * (1 << 17), "it cannot be read"),
    ],
)
def test_what_a_stranger_wrote_is_named_and_not_used(
    name: str, text: str, says: str, folder: Path
) -> None:
    leave(folder, name.replace("TOKEN", TOKEN), text)

    record = load_record(folder / "dispatch.json")

    (problem,) = record.problems
    assert "is not used: " in problem and says in problem
    assert record.job_id == "17"


@pytest.mark.parametrize("name", [f"dispatch.run.{TOKEN}.1", f".dispatch_lease.{TOKEN}.2"])
def test_a_pipe_or_a_link_in_the_place_of_a_file_is_not_read(name: str, folder: Path) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert load_record(folder / "dispatch.json").problems

    (folder / name).unlink()
    (folder / name).symlink_to("/etc/passwd")
    assert load_record(folder / "dispatch.json").problems


def test_numbers_that_cannot_be_are_not_known(folder: Path) -> None:
    odd = FIRST.replace("to_iteration 7", f"to_iteration {10**17}").replace("ranks 9", "ranks -9")
    leave(folder, f"dispatch.run.{TOKEN}.1", odd)

    (run,) = load_record(folder / "dispatch.json").runs

    assert (run.to_iteration, run.ranks, run.why) == (None, None, "preemption")


@pytest.mark.parametrize("goes_on", [3, {"after": "lost_node"}, {"after": [3]}])
def test_a_record_with_another_goes_on_is_none(goes_on: object, folder: Path) -> None:
    write(folder, goes_on=goes_on)

    with pytest.raises(ValueError, match=r"after|goes_on"):
        load_record(folder / "dispatch.json")


@pytest.mark.parametrize("ended", [True, False])
def test_no_more_files_are_asked_for_of_a_job_of_one_run(
    ended: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`status` and `report` read the records of thousands of jobs."""
    write(folder, goes_on=None)
    if ended:
        write(folder)
        leave(folder, f"dispatch.run.{TOKEN}", LAST.replace("run 2", "run 1"))
    asked = []
    real = os.open

    def noted(path: Any, *rest: Any, **more: Any) -> int:
        asked.append(str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", noted)
    monkeypatch.setattr(os, "scandir", lambda *_: pytest.fail("the folder was listed"))

    record = load_record(folder / "dispatch.json", with_watcher=False)

    assert len(record.runs) == ended
    files = [name for name in asked if "dispatch" in name]
    assert files == ["dispatch.json", f"dispatch.run.{TOKEN}"]


def test_as_many_runs_are_known_as_a_site_can_ask_for(tmp_path: Path) -> None:
    most = MOST_TIMES + 1
    leave(tmp_path, f"dispatch.run.{TOKEN}.{most}", FIRST)
    assert newest_number(tmp_path, TOKEN) == most
