"""The doctor's jobs at a scheduler: a stand-in that runs scripts on this machine, and does what a
real one cannot be made to do. tests/system/test_doctor.py has the real ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dispatcher.doctor import look

from ..stand_in_scheduler import StandIn
from .conftest import RUNS, Doctor, plant


def test_a_scheduler_in_order(doctor: Doctor, queue: StandIn) -> None:
    found = doctor("--all")

    for check in ("start", "token", "clean job", "clock", "project", "accounting", "watcher"):
        assert found[check]["status"] == "ok", found[check]
    assert "JobState=COMPLETED" in found["accounting"]["sentence"]


def test_a_job_that_does_not_start_is_cancelled_and_says_why(
    doctor: Doctor, queue: StandIn
) -> None:
    queue.submits(
        'id=$((17 + $(wc -l <queue))); take $id PENDING; sed -i "s/|None|/|Resources|/" queue; '
        "echo $id"
    )
    queue.does("scancel", 'sed -i "/^$1|/s/|[A-Z]*|/|CANCELLED|/" queue')

    found = doctor("--all", "--minutes", "0.2")

    assert found["start"]["status"] == "skipped"
    assert "Resources" in found["start"]["sentence"]
    assert set(queue.calls("scancel")) == {"17", "18", "99"}  # the watcher, too
    assert set(found) == {"start", "facts"}


@pytest.mark.usefixtures("card")
def test_what_was_measured_gets_into_site_json(
    doctor: Doctor, queue: StandIn, tmp_path: Path
) -> None:
    assert doctor("--partition", "gpu", "--write")["start"]["status"] == "ok"

    content = json.loads((tmp_path / "site" / "site.json").read_text())
    assert content["partitions"]["gpu"] == {"gpu_memory": "40960M"}
    assert content["scheduler"] == "slurm"


def test_a_job_that_is_refused(doctor: Doctor, queue: StandIn) -> None:
    queue.submits("echo 'sbatch: error: Invalid qos specification' >&2; exit 1")

    found = doctor("--all")

    assert found["start"]["status"] == "failure"
    assert "Invalid qos specification" in found["start"]["sentence"]


def test_a_job_that_is_killed_while_it_looks(
    doctor: Doctor, queue: StandIn, tmp_path: Path
) -> None:
    session = '"$(ps -o sid= -p $$ | tr -d " ")"'
    plant(tmp_path, "mpirun", f"kill -KILL $(ps -o pid= -s {session})")
    queue.queue_answers("sed s/RUNNING/FAILED/ queue")

    found = doctor("--all")

    assert found["start"]["status"] == "failure"
    assert found["container"]["status"] == "ok"
    assert found["two ranks"]["status"] == "skipped"


@pytest.mark.parametrize(
    ("answer", "said"), [("sed 's/relion-dispatch:.*//' queue", '"mark"'), (":", "does not list")]
)
def test_a_queue_without_the_token_or_the_job(
    doctor: Doctor, queue: StandIn, answer: str, said: str
) -> None:
    queue.queue_answers(answer)

    found = doctor("--all")["token"]

    assert (found["status"], said in found["sentence"]) == ("failure", True), found


def test_a_job_that_inherits_from_the_job_around_it(doctor: Doctor, queue: StandIn) -> None:
    queue.submits(RUNS.format(before="export SLURM_RELION_DOCTOR=1"))

    found = doctor("--all")["clean job"]

    assert (found["status"], "SLURM_RELION_DOCTOR" in found["sentence"]) == ("failure", True)


def test_a_scheduler_that_does_not_know_how_jobs_end(
    doctor: Doctor, queue: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "_END_KNOWN_AFTER", 3)
    queue.says_of_ends("echo slurm_load_jobs error: Invalid job id specified")

    found = doctor("--all")["accounting"]

    assert (found["status"], "Invalid job id" in found["sentence"]) == ("warning", True)


def test_a_watcher_that_is_not_taken(doctor: Doctor, queue: StandIn) -> None:
    queue.does("watch", "echo 'Invalid dependency' >&2; exit 1")

    found = doctor("--all")["watcher"]

    assert (found["status"], "Invalid dependency" in found["sentence"]) == ("failure", True)


def test_a_watcher_that_never_starts(doctor: Doctor, queue: StandIn) -> None:
    queue.does("watch", "echo 99")

    found = doctor("--all", "--minutes", "0.4")["watcher"]

    assert (found["status"], "told RELION nothing" in found["sentence"]) == ("failure", True)


def test_a_clock_that_is_off(doctor: Doctor, queue: StandIn, tmp_path: Path) -> None:
    plant(tmp_path, "date", '/bin/date "$@" | awk \'{ printf "%.3f\\n", $1 + 3600 }\'')

    found = doctor("--all")["clock"]

    assert found["status"] == "failure"
    assert re.search(r" (3599|3600)\.\d s ahead of", found["sentence"]), found


def test_files_that_are_seen_late(doctor: Doctor, queue: StandIn, tmp_path: Path) -> None:
    plant(tmp_path, "mv", '[[ $2 != */pong ]] || sleep 7\nexec /bin/mv "$@"')

    found = doctor("--all")["project"]

    assert (found["status"], "seen late" in found["sentence"]) == ("warning", True), found


def test_locks_that_hold_on_one_machine_only(
    doctor: Doctor, queue: StandIn, tmp_path: Path
) -> None:
    plant(tmp_path, "flock", "exit 0")

    found = doctor("--all")["locks"]

    assert (found["status"], "guard nothing" in found["sentence"]) == ("warning", True)


def test_a_signal_before_the_time_limit(doctor: Doctor, queue: StandIn) -> None:
    sends = '(sleep 1; until kill -USR2 -- "-$(cat "$here/$id.pid")"; do sleep 1; done) '
    sends = f'! grep -q ^probe_task=.*warned "${{submitted[-1]}}" || {sends} >/dev/null 2>&1 &\n'
    queue.submits(RUNS.format(before="").replace("echo $id\n", f"{sends}echo $id\n"))

    found = doctor("--all", "--long")

    assert found["warning"]["status"] == "ok", found
    assert re.match(r"The signal USR2 came after \d+ s of 120", found["warning"]["sentence"])
    assert found["facts"]["warned"]["lived_on"] == "8"
