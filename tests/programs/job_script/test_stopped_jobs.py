"""Jobs that are aborted in RELION, stopped by a signal, or killed."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from ...fixture_types import CorpusJob, WriteSite
from ...waiting import wait_for
from .run_files import last_line
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")


def test_an_abort_reaches_the_program_and_its_aborted_is_left(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    waits = (
        'touch running; until [ -e "${CONTROL}RELION_JOB_ABORT_NOW" ]; do sleep 0.05; done;'
        'touch "${CONTROL}RELION_JOB_EXIT_ABORTED"; exit 1'
    )
    running = running_job.start(running_job.render(job), ON_RUN=waits)
    wait_for((project / "running").exists)

    (job.parent / "RELION_JOB_ABORT_NOW").touch()

    running.communicate(timeout=30)
    assert exit_files(job) == {"ABORTED"}
    assert "The job was aborted after 0:0" in last_line(job)


def test_a_program_that_does_not_heed_an_abort_is_ended_after_the_grace_time(
    job: Path, running_job: RunningJob, project: Path, site: WriteSite
) -> None:
    site("site.json", {"job_parameters": {"postprocess": {"abort_grace": 2}}})
    running = running_job.start(running_job.render(job), ON_RUN="touch running; sleep 60")
    wait_for((project / "running").exists)

    (job.parent / "RELION_JOB_ABORT_NOW").touch()

    running.communicate(timeout=20)
    assert exit_files(job) == {"ABORTED"}
    assert "did not end by themselves within 2 s" in last_line(job)


def test_no_further_command_starts_after_an_abort(
    corpus_job: CorpusJob, running_job: RunningJob, tmp_path: Path
) -> None:
    script = corpus_job("relion-4.0.2/MultiBody_job005")

    running_job.run(script, ON_RUN="touch MultiBody/job005/RELION_JOB_ABORT_NOW")

    assert exit_files(script) == {"ABORTED"}
    assert (tmp_path / "recorded").read_text().count("relion_") == 1


def test_a_job_that_relion_thinks_has_failed_does_not_start(
    job: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    (job.parent / "RELION_JOB_EXIT_FAILURE").touch()

    assert running_job.run(job).returncode == 1

    assert exit_files(job) == {"FAILURE"}
    assert "RELION was told before" in last_line(job)
    assert not (tmp_path / "recorded").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_told_and_nothing_is_left_running(
    number: signal.Signals, job: Path, running_job: RunningJob, project: Path
) -> None:
    running = running_job.start(
        running_job.render(job), ON_RUN="touch running; (trap '' TERM INT HUP; exec sleep 77)"
    )
    wait_for((project / "running").exists)

    running.send_signal(number)
    running.communicate(timeout=20)

    assert running.returncode == 128 + number
    assert exit_files(job) == {"FAILURE"}
    assert "because it was cancelled in the scheduler or stopped from outside" in last_line(job)
    assert session(running.pid) == []


@pytest.mark.parametrize(
    ("state", "seconds_left", "because"),
    [
        ("RUNNING", 60, "it reached its time limit"),
        ("TIMEOUT", 0, "it reached its time limit"),
        ("RUNNING", 4000, "it was cancelled"),
        ("CANCELLED", 0, "it was cancelled"),
    ],
)
def test_time_limit_and_cancellation_are_told_apart(
    state: str,
    seconds_left: int,
    because: str,
    job: Path,
    running_job: RunningJob,
    project: Path,
    site: WriteSite,
) -> None:
    """Slurm's answer is simulated here."""
    site("site.json", {"scheduler": "slurm"})
    running_job.program("scontrol")
    end = time.strftime("%FT%T", time.localtime(time.time() + seconds_left))
    running = running_job.start(
        running_job.render(job),
        ON_RUN="touch running; exec sleep 77",
        SLURM_JOB_ID="5",
        SHOWS=f"JobId=5 JobState={state} Reason=None\n   StartTime=Unknown EndTime={end}",
    )
    wait_for((project / "running").exists)

    running.send_signal(15)

    _, errors = running.communicate(timeout=20)
    assert f"because {because}" in errors.splitlines()[-1]
    assert exit_files(job) == {"FAILURE"}


def test_a_job_script_that_is_killed_is_told_and_leaves_nothing(
    job: Path, running_job: RunningJob, project: Path
) -> None:
    running = running_job.start(running_job.render(job), ON_RUN="touch running; exec sleep 77")
    wait_for((project / "running").exists)

    running.kill()

    wait_for(lambda: exit_files(job) == {"FAILURE"})
    wait_for(lambda: session(running.pid) == [])
    assert "because its job script was killed" in last_line(job)
    running.communicate()


def session(leader: int) -> list[str]:
    """The living processes of a session."""
    found = subprocess.run(
        ["ps", "-o", "stat=,args=", "--sid", str(leader)], capture_output=True, text=True
    )
    return [row for row in found.stdout.splitlines() if not row.startswith("Z")]
