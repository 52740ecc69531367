"""How far a job is, what it has printed, and why it waits, as `status` tells."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from pathlib import Path

import pytest

from dispatcher.cli import main

from ...fixture_types import WriteSite
from ..stand_in_scheduler import StandIn
from .pipeline_jobs import (
    TOKEN,
    AddJob,
    status,
)

pytestmark = pytest.mark.usefixtures("quickly")


def test_how_far_a_classification_is(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job("Class3D/job019")
    slurm.has("17", "RUNNING", TOKEN)
    text = "data_optimiser_general\n\n_rlnNumberOfIterations 25\n_rlnDoAutoRefine 0\n"
    now = time.time()
    os.utime(folder / "run_submit.script", (now - 2000,) * 2)
    for iteration in range(4):
        file = folder / f"run_it{iteration:03}_optimiser.star"
        file.write_text(text)
        os.utime(file, (now - 10 + 600 * (iteration - 3),) * 2)

    (row,) = status(capsys)

    assert (row["iteration"], row["iterations"], row["minutes_per_iteration"]) == (3, 25, 10)
    end = datetime.fromisoformat(row["expected_end"]).timestamp()
    assert abs(end - (now - 10 + 22 * 600)) < 5


def test_a_continued_job_begins_where_it_goes_on(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "relion_refine --continue Class3D/job019/run_it015_optimiser.star --iter 25"
    folder = add_job("Class3D/job019", original_commands=[command])
    slurm.has("17", "RUNNING", TOKEN)
    before = folder / "run_it017_optimiser.star"  # of the run before, which was stopped later
    before.touch()
    os.utime(before, (1, 1))

    (row,) = status(capsys)

    assert (row["iteration"], row["minutes_per_iteration"]) == (15, None)


def test_a_continued_job_that_has_ended_has_reached_what_its_own_run_has_written(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "relion_refine --continue Class3D/job019/run_it010_optimiser.star --iter 25"
    folder = add_job("Class3D/job019", "Failed", original_commands=[command])
    (folder / "RELION_JOB_EXIT_FAILURE").touch()
    before = folder / "run_it025_optimiser.star"
    before.touch()
    os.utime(before, (1, 1))

    assert status(capsys)[0]["iteration"] == 10
    (folder / "run_ct10_it015_optimiser.star").touch()
    assert status(capsys)[0]["iteration"] == 15


def test_one_job_with_the_last_lines_of_what_it_printed(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    add_job("Class3D/job020", token="1" * 12, job_id="18")
    slurm.has("17", "RUNNING", TOKEN)
    (folder / "run.out").write_text("".join(f"line {number}\n" for number in range(30)))

    assert main(["status", "Refine3D/job019/", "--lines", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(["status", "Refine3D/job019", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert main(["status", "Refine3D/job091"]) == 1

    assert lines[0] == "Refine3D/job019  Running"
    assert lines[-5:] == [
        "The end of run.out:", "  line 28", "  line 29", "", "There is no run.err.",
    ]  # fmt: skip
    assert row["job"] == "Refine3D/job019"
    assert row["run_out"] == [f"line {number}" for number in range(20, 30)]
    assert row["run_err"] is None
    assert 'did you mean "Refine3D/job019"' in capsys.readouterr().err


def test_a_scheduler_is_asked_why_one_job_waits_where_its_queue_does_not_tell(
    tmp_path: Path, site: WriteSite, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["echo", "why: no berth for {job_id}"]
    slurm = StandIn(
        tmp_path / "slurm", site, wait_command=asked, wait_pattern="why: (?P<reason>.*)",
        waits={"no berth": "the pier is full"},
    )  # fmt: skip
    add_job()
    slurm.has("17", "PENDING", TOKEN, "")

    assert main(["status", "Refine3D/job019"]) == 0

    assert "the pier is full (no berth for 17)" in capsys.readouterr().out
