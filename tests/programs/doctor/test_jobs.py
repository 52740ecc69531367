"""The doctor's jobs at a scheduler: a stand-in that runs scripts on this machine, and does what a
real one cannot be made to do. tests/system/test_doctor.py has the real ones."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from dispatcher.doctor import look

from ...fixture_types import WriteSite
from ..stand_in_scheduler import StandIn
from .conftest import Doctor

# It runs the script, and the queue says so; its programs are called in the folder of the stand-in.
RUNS = """\
id=$((17 + $(wc -l <queue))) here=$PWD
take $id RUNNING
cd "$OLDPWD" || exit
{before}
setsid bash -c 'echo $$ >"$1.pid"; bash "$2"; sed -i "/^$3|/s/RUNNING/COMPLETED/" "$4/queue"' \
    bash "$here/$id" "${{submitted[-1]}}" $id "$here" </dev/null >/dev/null 2>&1 &
echo $id
"""
CANCELS = 'sed -i "/^$1|/s/|[A-Z]*|/|CANCELLED|/" queue; kill -- "-$(cat "$1.pid")"'
# Waits for the job, and starts the watcher's script.
WATCHES = """\
here=$PWD
cd "$OLDPWD" || exit
setsid bash -c 'until grep -q "^$3|.*CANCELLED" "$1/queue"; do sleep 0.1; done; bash "$2" "$3"' \
    bash "$here" "$1" "$2" </dev/null >/dev/null 2>&1 &
echo 99
"""
ENDED = "echo JobState=COMPLETED ExitCode=0:0"


@pytest.fixture
def queue(bare_project: Path, tmp_path: Path, site: WriteSite) -> StandIn:
    """A scheduler that runs jobs, and watchers behind them."""
    folder = tmp_path / "scheduler"
    keys: dict[str, Any] = {"watcher": {"submit_command": [str(folder / "watch")]}}
    found = StandIn(folder, site, **keys)
    (folder / "watch").symlink_to((folder / "sbatch").readlink())
    (tmp_path / "programs" / "mpirun").rename(tmp_path / "programs" / "mpirun.real")
    (tmp_path / "programs" / "mpirun").write_text('#!/bin/bash\nexec "${0}.real"\n')
    (tmp_path / "programs" / "mpirun").chmod(0o755)
    found.submits(RUNS.format(before=""))
    found.does("scancel", CANCELS)
    found.does("watch", WATCHES)
    found.says_of_ends(ENDED)
    return found


def plant(folder: Path, name: str, body: str) -> None:
    """A program before those of this machine."""
    program = folder / "programs" / name
    program.write_text(f"#!/bin/bash\n{body}\n")
    program.chmod(0o755)


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
    assert set(queue.calls("scancel")) == {"17", "18"}
    assert set(found) == {"start", "facts"}


def test_what_was_measured_gets_into_site_json(
    doctor: Doctor, queue: StandIn, tmp_path: Path
) -> None:
    assert doctor("--partition", "gpu", "--write")["start"]["status"] == "ok"

    content = json.loads((tmp_path / "site" / "site.json").read_text())
    assert content["partitions"]["gpu"]["cores"] == os.cpu_count()
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
