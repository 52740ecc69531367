"""Jobs that run on though they are over for RELION, as on a node that was only taken for lost."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")

SLEEPS = "touch running; exec sleep 60"
# The job script tells RELION first, then it asks its program to end; this one goes on.
DEAF = "trap 'touch told' TERM; touch running; for ((;;)); do sleep 0.1; done"
WAITS = "until [ -e go ]; do sleep 0.1; done"


@pytest.fixture
def job(corpus_job: CorpusJob, site: WriteSite) -> Path:
    """A job of one command, which is given 4 s once it is over for RELION."""
    site("site.json", {"job_parameters": {"submit": {"abort_grace": 4}}})
    return corpus_job("relion-5.0.1/PostProcess_job016")


def test_a_job_that_was_submitted_anew_gives_way(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    folder = job.parent
    record = json.dumps({"token": "ffffffffffff"}, indent=2) + "\n"
    older = running_job.start(running_job.render(job, "000000000001"), ON_RUN=SLEEPS)
    wait_for((project / "running").exists)

    (folder / "dispatch.json").write_text(record)
    newer = running_job.start(running_job.render(job, "ffffffffffff"), ON_RUN=WAITS)
    older.communicate(timeout=20)

    assert newer.poll() is None
    assert exit_files(job) == set()
    assert (folder / ".dispatch_control.ffffffffffff").is_dir()
    assert "this job stops, because it was submitted again" in (folder / "run.out").read_text()
    (project / "go").touch()
    newer.communicate(timeout=30)
    assert exit_files(job) == {"SUCCESS"}
    assert (folder / "dispatch.json").read_text() == record
    assert "ending SUCCESS" in (folder / "dispatch.run.ffffffffffff").read_text()


def test_a_job_that_has_failed_for_relion_does_not_run_on(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    running = running_job.start(running_job.render(job), ON_RUN=SLEEPS)
    wait_for((project / "running").exists)

    (job.parent / "RELION_JOB_EXIT_FAILURE").touch()

    running.communicate(timeout=30)
    assert running.returncode == 143
    assert exit_files(job) == {"FAILURE"}


def test_the_end_of_an_older_job_is_not_told_of_the_newer(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    """RELION's user continues the job as soon as RELION shows it as failed."""
    folder = job.parent
    older = running_job.start(running_job.render(job), ON_RUN=DEAF)
    wait_for((project / "running").exists)
    older.terminate()
    wait_for((project / "told").exists)
    assert exit_files(job) == {"FAILURE"}

    (folder / "RELION_JOB_EXIT_FAILURE").unlink()
    newer = running_job.start(running_job.render(job), ON_RUN=WAITS)
    older.communicate(timeout=20)

    assert newer.poll() is None
    assert exit_files(job) == set()
    (project / "go").touch()
    newer.communicate(timeout=30)
    assert exit_files(job) == {"SUCCESS"}
    assert (
        not (folder / "run.err").exists()
        or "relion-dispatch: The job" not in (folder / "run.err").read_text()
    )


def test_a_job_is_told_once_as_it_may_be_continued_before_its_script_is_done(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    """RELION has removed the exit file and written its script; the hook has not planned yet."""
    older = running_job.start(running_job.render(job), ON_RUN=DEAF)
    wait_for((project / "running").exists)
    older.terminate()
    wait_for((project / "told").exists)
    assert exit_files(job) == {"FAILURE"}

    (job.parent / "RELION_JOB_EXIT_FAILURE").unlink()
    job.touch()

    older.communicate(timeout=30)
    assert exit_files(job) == set()


def test_a_stray_signal_is_a_failure_like_any_other(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    running = running_job.start(running_job.render(job), ON_RUN=SLEEPS)
    wait_for((project / "running").exists)

    running.send_signal(signal.SIGUSR2)

    running.communicate(timeout=30)
    assert exit_files(job) == {"FAILURE"}
    assert "stopped from outside" in (job.parent / "run.err").read_text()
