"""The doctor's jobs on PBS and LSF: how they start, are known, end and are cancelled.

The image is not started: tests/programs/doctor has that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ...waiting import wait_for
from .cluster import ROOT, Cluster
from .test_faults import Described


def examined(project: Path, *words: str) -> dict[str, Any]:
    """What the doctor says of the first place, by the checks' names; no file is left behind."""
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", "doctor", "--json", *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout, done.stderr
    assert not list(project.iterdir())
    findings = json.loads(done.stdout)["places"][0]["findings"]
    return {each["check"]: each for each in findings}


def nothing_is_left(cluster: Cluster) -> None:
    """Also no copy of a watcher that PBS is to start ten minutes later."""
    wait_for(lambda: not cluster.living(), 20, "the end of all jobs")


@pytest.fixture
def empty(tmp_path: Path, images: Path) -> Path:
    """A folder for the doctor's jobs."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_jobs_are_known_and_their_ends_are_told(
    cluster: Cluster, described: Described, empty: Path
) -> None:
    described(time="1:00:00", mem="2G", watcher={})

    found = examined(empty, "--all")

    for check in ("start", "token", "clean job", "project", "locks", "accounting", "watcher"):
        assert found[check]["status"] == "ok", found[check]
    assert cluster.states()
    nothing_is_left(cluster)


def test_of_jobs_that_do_not_start_nothing_stays_in_the_queue(
    cluster: Cluster, described: Described, empty: Path
) -> None:
    described(time="1:00:00", mem="2G", watcher={})
    cluster.controls(hold=True)

    found = examined(empty, "--all", "--minutes", "0.2")

    assert found["start"]["status"] == "skipped", found["start"]
    nothing_is_left(cluster)


def test_a_job_whose_submission_was_not_answered_is_found(
    cluster: Cluster, described: Described, empty: Path
) -> None:
    described(time="1:00:00", mem="2G", watcher={})
    cluster.controls(lose_answers=1)

    found = examined(empty, "--all")

    assert found["start"]["status"] == "ok", found["start"]
    nothing_is_left(cluster)
