"""Jobs that run on though they are over for RELION, as on a node that was only taken for lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .running_job import RunningJob, exit_files, wait_until

pytestmark = pytest.mark.usefixtures("images")

SLEEPS = "touch running; exec sleep 60"


@pytest.fixture
def job(corpus_job: Callable[[str], Path], site: Callable[..., Path]) -> Path:
    """A job of one command, which is given 4 s once it is over for RELION."""
    site("site.json", {"job_parameters": {"submit": {"abort_grace": 4}}})
    return corpus_job("relion-5.0.1/PostProcess_job016")


def test_a_job_that_was_submitted_anew_gives_way(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    folder = job.parent
    record = json.dumps({"token": "ffffffffffff"}, indent=2) + "\n"
    older = running_job.start(running_job.render(job, "000000000001"), ON_RUN=SLEEPS)
    wait_until((project / "running").exists)

    (folder / "dispatch.json").write_text(record)
    newer = running_job.start(running_job.render(job, "ffffffffffff"), ON_RUN="sleep 6")
    older.communicate(timeout=20)

    assert newer.poll() is None
    assert exit_files(job) == set()
    assert (folder / ".dispatch_control").is_dir()
    assert "this job stops, as it was submitted anew" in (folder / "run.out").read_text()
    newer.communicate(timeout=30)
    assert exit_files(job) == {"SUCCESS"}
    assert json.loads((folder / "dispatch.json").read_text())["run"]["ending"] == "SUCCESS"


def test_a_job_that_has_failed_for_relion_does_not_run_on(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    running = running_job.start(running_job.render(job), ON_RUN=SLEEPS)
    wait_until((project / "running").exists)

    (job.parent / "RELION_JOB_EXIT_FAILURE").touch()

    running.communicate(timeout=30)
    assert running.returncode == 143
    assert exit_files(job) == {"FAILURE"}
