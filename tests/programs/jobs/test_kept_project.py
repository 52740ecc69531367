"""A project of 0.1.0 is read as it is: its records, pins, catalogue, site and running jobs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.jobs.record import load_record

from ...kept_project import lay_out
from ...waiting import wait_for_arguments
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of
from .pipeline_jobs import status

LOCAL = "JoinStar/job015"
APPTAINER = """#!/bin/bash
[ "$1" != --version ] || echo "apptainer version 1.4.5"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Slurm's commands and Apptainer in PATH, and the job that waits in the queue."""
    stand_in = StandIn(tmp_path / "slurm", lambda *_: tmp_path)
    apptainer = stand_in.folder / "apptainer"
    apptainer.write_text(APPTAINER)
    apptainer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.folder}:{os.environ['PATH']}")
    return stand_in


@pytest.fixture
def project(tmp_path: Path, slurm: StandIn, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, with its waiting job in the queue."""
    project = lay_out(tmp_path)
    slurm.has("43", "PENDING", record_of(project / "Extract/job006")["token"], "Priority")
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def running(project: Path) -> Iterator[None]:
    """A process that is, for whoever looks, the script of the job that runs on this machine."""
    words = ["read", f"{LOCAL}/run_submit.script.run", record_of(project / LOCAL)["token"]]
    with subprocess.Popen(["bash", "-c", *words], stdin=subprocess.PIPE) as script:
        wait_for_arguments(script.pid, words[-1])
        yield
        script.kill()


@pytest.mark.usefixtures("running")
def test_status_shows_each_job_as_it_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = {path: path.read_bytes() for path in project.rglob("dispatch.json*")}

    jobs = {row["job"]: row for row in status(capsys)}

    shown = {name: (row["relion"], row["state"], row["job_id"]) for name, row in jobs.items()}
    ended = record_of(project / "PostProcess/job016")["job_id"]
    runs = record_of(project / LOCAL)["job_id"]
    assert shown == {
        "PostProcess/job016": ("Succeeded", None, ended),
        "Class3D/job010": ("Succeeded", None, "42"),
        "Refine3D/job011": ("Failed", None, None),
        "Extract/job006": ("Running", "PENDING", "43"),
        LOCAL: ("Running", jobs[LOCAL]["state"], runs),
    }
    assert jobs[LOCAL]["state"] in ("R", "S")
    assert jobs["Class3D/job010"]["seconds"] == 1
    assert jobs["Class3D/job010"]["node"] == os.uname().nodename
    assert "Invalid account" in jobs["Refine3D/job011"]["reason"]
    assert {path: path.read_bytes() for path in project.rglob("dispatch.json*")} == records


@pytest.mark.usefixtures("quickly")
def test_a_running_job_that_has_gone_is_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = {row["job"]: row["relion"] for row in status(capsys)}

    assert jobs[LOCAL] == "Failed"
    assert "because it was killed" in (project / LOCAL / "run.err").read_text()
    assert not list((project / LOCAL).glob(".dispatch_control.*"))


def test_a_waiting_job_runs_with_the_script_of_its_time(
    project: Path, slurm: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / "Extract/job006"

    done = subprocess.run(
        ["bash", f"{folder.parent.name}/{folder.name}/run_submit.script.run"],
        env={**os.environ, "SLURM_JOB_ID": "43"},
        stdout=subprocess.DEVNULL,
        timeout=60,
    )

    assert done.returncode == 0
    assert (folder / "RELION_JOB_EXIT_SUCCESS").exists()
    assert slurm.calls("scancel") == ["44"], "its watcher"
    run = record_of(folder)["run"]
    assert (run["ending"], run["scheduler_job_id"]) == ("SUCCESS", "43")
    row = next(row for row in status(capsys) if row["job"] == "Extract/job006")
    assert (row["relion"], row["node"]) == ("Succeeded", os.uname().nodename)


def test_both_records_of_a_continued_job_tell_how_it_went(project: Path) -> None:
    folder = project / "Class3D/job010"

    earlier, last = load_record(folder / "dispatch.json.1"), load_record(folder / "dispatch.json")

    assert "memory of the job was used up" in str(earlier.run)
    assert last.run and last.run.reason is None
    peaks = [gpu["peak_memory_bytes"] for gpu in last.merged["run"]["gpus"]]
    assert peaks == [3000 << 20, 2000 << 20]
    assert last.merged["watcher"] == {"job_id": "46"}


@pytest.mark.parametrize("record", ["", "/dispatch.json.1"])
def test_a_job_is_run_again_from_its_record(project: Path, record: str, tmp_path: Path) -> None:
    script = tmp_path / "again.sh"
    stack = project / "Extract/job006/stack.mrcs"
    stack.touch()
    os.utime(stack, (1, 1))

    assert main(["reproduce", f"Class3D/job010{record}", "--write", str(script)]) == 0

    assert "relion_refine_mpi" in script.read_text()
    assert "relion-dispatch 0.1.0 and Apptainer 1.4.5" in script.read_text()


def test_the_pin_and_its_jobs_are_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pin", "relion"]) == 0

    shown = capsys.readouterr().out
    for name in ("PostProcess/job016", "Class3D/job010", "Extract/job006", LOCAL):
        assert name in shown
    assert "5.1.0" in shown


def test_the_site_is_in_order(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0, capsys.readouterr()


def test_a_continued_job_is_planned_with_the_sites_own_template(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--script", "PostProcess/job016/run_submit.script"]) == 0

    script = capsys.readouterr().out
    assert 'echo "postprocess begins with 1 ranks"' in script
    assert 'echo "ended with $dispatch_status"' in script


def test_a_job_is_continued(project: Path, slurm: StandIn) -> None:
    folder = project / "Class3D/job010"
    (folder / "run_submit.script").touch()  # RELION writes it, and removes the exit file
    (folder / "RELION_JOB_EXIT_SUCCESS").unlink()
    slurm.submits('case " $* " in *--dependency*) echo 51 ;; *) take 50 PENDING; echo 50 ;; esac')

    done = call_hook(folder / "run_submit.script")

    assert done.returncode == 0, done.stderr
    assert record_of(folder)["job_id"] == "50"
    assert record_of(folder)["watcher"] == {"job_id": "51"}
    assert [load_record(folder / f"dispatch.json.{n}").job_id for n in (1, 2)] == ["41", "42"]
    pins = json.loads((project / ".relion_dispatch.json").read_text())
    assert pins["images"]["relion"]["version"] == "5.1.0"
