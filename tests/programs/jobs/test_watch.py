"""``relion-dispatch watch``, with a stand-in for the queue."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.cli import main

from ...fixture_types import WriteSite
from ..stand_in_scheduler import StandIn
from .pipeline_jobs import (
    TOKEN,
    AddJob,
)

pytestmark = pytest.mark.usefixtures("quickly")


def test_several_watchers_tell_once(slurm: StandIn, add_job: AddJob) -> None:
    folder = add_job()
    watchers = [
        subprocess.Popen([sys.executable, "-m", "dispatcher", "watch", "--once"],
                         env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])})
        for _ in range(3)
    ]  # fmt: skip
    assert [watcher.wait(60) for watcher in watchers] == [0, 0, 0]

    assert (folder / "run.err").read_text().count("relion-dispatch: ") == 1
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()


def test_watch_ends_a_waiting_job_that_was_aborted_in_relion(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = add_job()
    running = add_job("Refine3D/job020", token="1" * 12)
    patient = add_job("Refine3D/job021", token="2" * 12)
    slurm.has("17", "PENDING", TOKEN)
    slurm.has("18", "RUNNING", "1" * 12)
    slurm.has("19", "PENDING", "2" * 12)
    for folder in (waiting, running):
        (folder / "RELION_JOB_ABORT_NOW").touch()

    assert main(["watch", "--once"]) == 0

    assert slurm.calls("scancel") == ["17"]
    assert (waiting / "RELION_JOB_EXIT_ABORTED").exists()
    assert "aborted in RELION before it started" in (waiting / "run.err").read_text()
    for folder in (running, patient):
        assert not list(folder.glob("RELION_JOB_EXIT_*"))
    assert capsys.readouterr().out == "Refine3D/job019: aborted\n"


def test_watch_goes_on_when_something_is_wrong(
    slurm: StandIn, add_job: AddJob, site: WriteSite, capsys: pytest.CaptureFixture[str]
) -> None:
    add_job()
    site("site.json", "{")

    assert main(["watch", "--once"]) == 1

    assert "site.json" in capsys.readouterr().err
