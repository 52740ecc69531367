"""``relion-dispatch resume`` and ``watch`` on a machine that was switched off.

The jobs are scripts of a few lines that claim and renew as the library does;
tests/programs/job_script has whole ones.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.host.shared_files import SharedFolder
from dispatcher.jobs.record import load_record
from dispatcher.jobs.seal import text_digest

from ...waiting import wait_for
from .cut_job import GOES_ON, JOB, TOKEN, relion_was_told
from .pipeline_jobs import AddJob, status

pytestmark = pytest.mark.usefixtures("quickly", "local")


def began(folder: Path) -> list[str]:
    """The numbers of the runs that the script has begun."""
    wait_for(lambda: text_of(folder / "began"), what="the start of the script")
    return text_of(folder / "began").split()


def text_of(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def test_a_job_that_a_power_cut_has_ended_goes_on(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()

    assert main(["resume", JOB]) == 0

    said = capsys.readouterr().out
    assert said.startswith(f"{JOB}: run 2 starts, as job ")
    assert began(folder) == ["2"]
    lost = dict(
        line.split(" ", 1) for line in (folder / f"dispatch.run.{TOKEN}.1").read_text().splitlines()
    )
    assert lost.pop("ended") > "2026"
    assert lost.pop("reason").endswith(".")
    assert lost == {
        "token": TOKEN, "run": "1", "started": "2026-11-28T05:00:00+00:00", "host": "desk1",
        "scheduler_job_id": "4194303", "ranks": "9", "done": "0", "reached": "3", "idle": "0",
        "ending": "GOES_ON", "why": "lost_node",
    }  # fmt: skip
    assert not (folder / f".dispatch_lease.{TOKEN}.1").exists()
    (row,) = status(capsys)
    assert [(run["run"], run["ending"]) for run in row["runs"]] == [(1, "GOES_ON"), (2, None)]
    assert (row["relion"], row["next_run"], row["reason"]) == ("Running", None, None)
    assert row["job_id"] == said.split()[6] == row["runs"][1]["job_id"]
    assert not relion_was_told(folder)


def test_status_tells_what_to_do_and_tells_relion_nothing(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()

    (row,) = status(capsys)

    assert row["reason"] == (
        "it was cut on desk1: go on with `relion-dispatch resume Refine3D/job019`, or leave "
        "`relion-dispatch watch` running."
    )
    assert (row["relion"], row["next_run"], row["iteration"]) == ("Running", 2, 7)
    assert not relion_was_told(folder)
    assert main(["explain", JOB]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "State Waits. It was cut on desk1: go on with `relion-dispatch resume Refine3D/job019`" \
        in shown  # fmt: skip


@pytest.mark.parametrize("goes_on", [None, {**GOES_ON, "after": ["time_limit"]}])
def test_relion_is_told_of_a_job_that_does_not_survive_this(
    goes_on: Any, add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local(goes_on=goes_on)

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert not (folder / f".dispatch_lease.{TOKEN}.1").exists()


def test_watch_goes_on_by_itself(add_local: AddJob, capsys: pytest.CaptureFixture[str]) -> None:
    folder = add_local()

    assert main(["watch", "--once"]) == 0

    assert f"{JOB}: run 2 starts, as job " in capsys.readouterr().out
    assert began(folder) == ["2"]
    assert main(["watch", "--once"]) == 0
    assert capsys.readouterr().out == "" and began(folder) == ["2"]


def test_a_run_that_was_there_a_moment_ago_is_left_alone(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its programs may still run: nobody has seen its machine switched off."""
    folder = add_local()
    os.utime(folder / f".dispatch_lease.{TOKEN}.1")

    assert main(["resume", JOB]) == 1
    assert main(["watch", "--once"]) == 0

    out, said = capsys.readouterr()
    assert f"{JOB} may still run: its run 1 was there " in said and "Try again in 1" in said
    assert out == "" and not (folder / "began").exists()
    assert (folder / f".dispatch_lease.{TOKEN}.1").exists() and not relion_was_told(folder)


def test_a_job_goes_on_again_and_again(add_local: AddJob) -> None:
    folder = add_local()
    assert main(["resume", JOB]) == 0
    assert began(folder) == ["2"]
    job_id = int(load_record(folder / "dispatch.json").job_id or 0)
    os.killpg(job_id, signal.SIGKILL)
    old = time.time() - 600
    for name in (f".dispatch_lease.{TOKEN}.2", f".dispatch_id.{TOKEN}.2"):
        os.utime(folder / name, (old, old))

    wait_for(lambda: is_gone(job_id))
    (folder / "began").unlink()
    assert main(["resume", JOB]) == 0

    assert began(folder) == ["3"]
    runs = load_record(folder / "dispatch.json").runs
    assert [(run.number, run.why) for run in runs] == [
        (1, "lost_node"),
        (2, "lost_node"),
        (3, None),
    ]


def is_gone(process: int) -> bool:
    state = text_of(Path(f"/proc/{process}/stat"))
    return not state or state.rpartition(")")[2].split()[0] == "Z"


def test_of_several_that_start_a_run_one_does(add_local: AddJob) -> None:
    folder = add_local()
    words = [sys.executable, "-m", "dispatcher"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    both = [
        subprocess.Popen([*words, *each], env=environment, stderr=subprocess.DEVNULL)
        for each in (["resume", JOB], ["watch", "--once"], ["resume", JOB])
    ]

    assert 0 in [each.wait(60) for each in both]
    time.sleep(0.5)
    assert began(folder) == ["2"]


def test_the_watcher_of_the_new_run_is_submitted(add_local: AddJob) -> None:
    script = 'echo "$1" > Refine3D/job019/watched\n'
    folder = add_local(watcher_script=text_digest(script))
    (folder / "run_submit.script.watch").write_text(script)
    (folder / f".dispatch_watcher.{TOKEN}").write_text("4194302\n")

    assert main(["resume", JOB]) == 0

    record = load_record(folder / "dispatch.json")
    assert record.merged["watcher"]["job_id"] not in (None, "4194302")
    wait_for(lambda: text_of(folder / "watched"))
    assert text_of(folder / "watched").split() == [record.job_id]


def test_a_job_that_runs_is_not_started_again(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()
    assert main(["resume", JOB]) == 0
    assert began(folder) == ["2"]

    assert main(["resume", JOB]) == 1

    assert "runs (job " in capsys.readouterr().err and began(folder) == ["2"]


def test_cancel_ends_a_job_that_was_cut(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()
    (folder / f".dispatch_control.{TOKEN}").mkdir(mode=0o700)

    assert main(["cancel", JOB]) == 0

    assert (folder / "RELION_JOB_EXIT_ABORTED").exists()
    assert "while it waited to go on." in (folder / "run.err").read_text()
    assert not list(folder.glob(".dispatch_[cl][oe]*")), "its control folder, and its lease"


def test_an_abort_in_relion_ends_a_job_that_was_cut(
    add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local()
    (folder / "RELION_JOB_ABORT_NOW").touch()

    (row,) = status(capsys)

    assert row["relion"] == "Aborted"
    said = (folder / "run.err").read_text()
    assert said.endswith("The job was aborted in RELION while it waited to go on.\n")


def test_the_age_of_a_lease_is_that_of_its_file_system(
    add_local: AddJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock of the machine may be wrong."""
    add_local()
    monkeypatch.setattr(SharedFolder, "status", _an_hour_behind)

    assert main(["resume", JOB]) == 1
    assert "may still run: its run 1 was there 0 s ago" in capsys.readouterr().err


_real_status = SharedFolder.status


def _an_hour_behind(folder: Any, name: str = "") -> os.stat_result:
    found = _real_status(folder, name)
    if "dispatch_clock" not in name:
        return found
    return os.stat_result([*found[:8], found.st_mtime - 3600, *found[9:10]])
