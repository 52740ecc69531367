"""Jobs of the CCP-EM Pipeliner, run by bash; a shell script has the part of its job runner.

tests/system/clients/test_ccpem_pipeliner.py has the real one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher.refusal import IN_SIGHT

from ...fixture_types import WriteSite
from ...waiting import wait_for
from ..hook_calls import call_hook
from .running_job import RunningJob

BOTH = {
    "SUCCESS": {"PIPELINER_JOB_EXIT_SUCCESS", "RELION_JOB_EXIT_SUCCESS"},
    "FAILURE": {"PIPELINER_JOB_EXIT_FAILED", "RELION_JOB_EXIT_FAILURE"},
    "ABORTED": {"PIPELINER_JOB_EXIT_ABORTED", "RELION_JOB_EXIT_ABORTED"},
}
# As the job runner does: it looks for its own abort file alone, and always ends with status 0.
WAITS = """
touch running
until [ -e "$JOB/PIPELINER_JOB_ABORT_NOW" ]; do sleep 0.05; done
touch "$JOB/PIPELINER_JOB_EXIT_ABORTED"; rm "$JOB/PIPELINER_JOB_ABORT_NOW"
"""


@pytest.fixture
def job(project: Path, site: WriteSite, tmp_path: Path) -> Path:
    """The submission of a job whose job runner runs $RUNS."""
    site("site.json", {"scheduler": "local", "job_parameters": {"submit": {"abort_grace": 4}}})
    runner = tmp_path / "job_runner.py"
    runner.write_text('JOB=${1%/job.star}\neval "$RUNS"\n')
    script = project / "MaskCreate/job019/run_submit.script"
    script.parent.mkdir(parents=True)
    script.write_text(
        "outfile: MaskCreate/job019/run.out\nerrfile: MaskCreate/job019/run.err\n"
        "----- commands -----\n"
        f"/bin/sh {runner} MaskCreate/job019/job.star\n----- end of commands -----\n"
    )
    return script


def told(script: Path) -> set[str]:
    return {path.name for path in script.parent.glob("*_JOB_*")}


@pytest.mark.parametrize(
    ("runs", "end"),
    [
        ('touch "$JOB/PIPELINER_JOB_EXIT_SUCCESS"', "SUCCESS"),
        ('touch "$JOB/PIPELINER_JOB_EXIT_FAILED"', "FAILURE"),
        ('touch "$JOB/PIPELINER_JOB_EXIT_FAILED"; exit 1', "FAILURE"),
        ("exit 1", "FAILURE"),  # it could not begin: ModuleNotFoundError
        ("kill -9 $$", "FAILURE"),
        # Programs of RELION, which the job runner starts, write into the job's folder.
        ('touch "$JOB/RELION_JOB_EXIT_SUCCESS"; touch "$JOB/PIPELINER_JOB_EXIT_FAILED"', "FAILURE"),
        ('touch "$JOB/RELION_JOB_EXIT_FAILURE"; touch "$JOB/PIPELINER_JOB_EXIT_SUCCESS"',
         "SUCCESS"),
        ('touch "$JOB/RELION_JOB_EXIT_SUCCESS"; kill -9 $$', "FAILURE"),
    ],
)  # fmt: skip
def test_the_job_runners_verdict_is_told_in_both_dialects(
    runs: str, end: str, job: Path, running_job: RunningJob
) -> None:
    done = running_job.run(job, RUNS=f"{runs}; true")

    assert told(job) == BOTH[end], done.stdout + done.stderr


@pytest.mark.parametrize("name", ["PIPELINER_JOB_ABORT_NOW", "RELION_JOB_ABORT_NOW"])
def test_an_abort_reaches_the_job_runner(
    name: str, job: Path, project: Path, running_job: RunningJob
) -> None:
    running = running_job.start(running_job.render(job), RUNS=WAITS)
    wait_for((project / "running").exists)

    (job.parent / name).touch()
    running.communicate(timeout=30)

    assert told(job) - {"RELION_JOB_ABORT_NOW"} == BOTH["ABORTED"]


@pytest.mark.parametrize("name", ["PIPELINER_JOB_ABORT_NOW", "RELION_JOB_ABORT_NOW"])
def test_a_job_that_was_aborted_while_it_waited_does_not_begin(
    name: str, job: Path, project: Path, running_job: RunningJob
) -> None:
    rendered = running_job.render(job)
    (job.parent / name).touch()

    running_job.start(rendered, RUNS="touch began").communicate(timeout=30)

    assert not (project / "began").exists()
    # The Pipeliner leaves its abort file, which would abort the job's next run.
    assert told(job) - {"RELION_JOB_ABORT_NOW"} == BOTH["ABORTED"]


def test_an_abort_that_a_program_of_relion_sees_first_is_no_failure(
    job: Path, project: Path, running_job: RunningJob
) -> None:
    quicker = """
    touch running
    until [ -e "$JOB/RELION_JOB_ABORT_NOW" ]; do sleep 0.05; done
    sleep 2.5; touch "$JOB/RELION_JOB_EXIT_ABORTED" "$JOB/PIPELINER_JOB_EXIT_FAILED"
    rm "$JOB/PIPELINER_JOB_ABORT_NOW"
    """
    running = running_job.start(running_job.render(job), RUNS=quicker)
    wait_for((project / "running").exists)

    (job.parent / "RELION_JOB_ABORT_NOW").touch()
    running.communicate(timeout=30)

    assert told(job) - {"RELION_JOB_ABORT_NOW"} == BOTH["ABORTED"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_kill_is_told_in_both_dialects(
    number: signal.Signals, job: Path, project: Path, running_job: RunningJob
) -> None:
    """Also if a program of RELION has said SUCCESS before."""
    runs = 'touch "$JOB/RELION_JOB_EXIT_SUCCESS" running; sleep 60'
    running = running_job.start(running_job.render(job), RUNS=runs)
    wait_for((project / "running").exists)

    os.kill(running.pid, number)
    running.communicate(timeout=30)

    wait_for(lambda: told(job) == BOTH["FAILURE"], 20, "both files")


def test_a_missing_library_is_told_in_both_dialects(
    job: Path, project: Path, running_job: RunningJob
) -> None:
    rendered = running_job.render(job)
    (job.parent / "run_submit.script.lib").unlink()

    running_job.start(rendered).communicate(timeout=30)

    assert told(job) == BOTH["FAILURE"]


def test_the_hook_removes_what_an_earlier_run_has_told(job: Path, project: Path) -> None:
    """RELION and the Pipeliner remove their own files alone, and the Pipeliner no abort file."""
    for name in ("RELION_JOB_EXIT_ABORTED", "PIPELINER_JOB_EXIT_FAILED", "PIPELINER_JOB_ABORT_NOW",
                 "RELION_JOB_ABORT_NOW"):  # fmt: skip
        (job.parent / name).touch()
        os.utime(job.parent / name, (1, 1))

    done = call_hook(job, RUNS='touch "$JOB/PIPELINER_JOB_EXIT_SUCCESS"')

    assert done.returncode == 0, done.stderr
    wait_for(lambda: told(job) == BOTH["SUCCESS"], 30, "the end")


def test_a_refusal_is_told_in_both_dialects_and_by_the_status(job: Path, site: WriteSite) -> None:
    site("site.json", {"scheduler": "nowhere"})

    done = call_hook(job)

    assert done.returncode == 1  # the Pipeliner looks at it for five seconds
    assert told(job) == BOTH["FAILURE"]
    assert (job.parent / "run.err").read_text().startswith(f"{IN_SIGHT}relion-dispatch: ")


def test_status_believes_the_job_runner_alone(job: Path, project: Path) -> None:
    """The first of several programs has said SUCCESS in RELION's dialect."""
    runs = 'touch "$JOB/RELION_JOB_EXIT_SUCCESS" running; sleep 60'
    assert call_hook(job, RUNS=runs).returncode == 0
    wait_for((project / "running").exists, 30, "the job")
    (project / "default_pipeline.star").write_text(
        "\ndata_pipeline_general\n\n_rlnPipeLineJobCounter 20\n\ndata_pipeline_processes\n\n"
        "loop_\n_rlnPipeLineProcessName #1\n_rlnPipeLineProcessAlias #2\n"
        "_rlnPipeLineProcessTypeLabel #3\n_rlnPipeLineProcessStatusLabel #4\n"
        "MaskCreate/job019/ None relion.maskcreate Running\n"
    )

    shown = relion_dispatch(project, "status")
    cancelled = relion_dispatch(project, "cancel", "MaskCreate/job019")

    assert "Running" in shown and "Succeeded" not in shown
    assert "aborted" in cancelled
    wait_for(lambda: told(job) - {"RELION_JOB_ABORT_NOW"} == BOTH["ABORTED"], 20, "both files")


def relion_dispatch(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
    )
    return done.stdout + done.stderr
