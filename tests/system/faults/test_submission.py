"""Jobs go to a real Slurm once: through lies, silence, and a controller that is down."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..controller_line import ControllerLine
from ..hook_calls import (
    assert_ran_once,
    calls,
    change_scheduler,
    copies_in_slurm,
    start_hook,
    wrap_sbatch,
)
from ..jobs import mark_running, mask_job
from ..project import MakeProject, Project
from .conftest import Watched


def called(project: Project, **environment: str) -> tuple[Path, float, int]:
    """Call the hook for a job, as RELION does; the job, when that was, and the exit status."""
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()
    hook = start_hook(project, job, **environment)
    hook.communicate(timeout=120)
    return job, began, hook.returncode


def test_a_missing_command(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch_of_another_cluster"])

    job, began, status = called(project)

    assert status == 1
    sees(
        "submit command missing", project, job, since=began, end="Failed", says="cannot be started"
    )


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--gres=gpu:77", "Requested node configuration is not available"),
        ("--partition=none", "Invalid partition name"),
    ],
)
def test_a_clear_refusal_is_final_at_once(
    option: str, says: str, make_project: MakeProject, sees: Watched
) -> None:
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", option])

    job, began, status = called(project)

    assert status == 1
    seen = sees(
        "submit command refuses (no such partition, or no such GPUs)",
        project,
        job,
        since=began,
        end="Failed",
        says=says,
    )
    assert seen.seconds is not None and seen.seconds < 20  # it is not tried again, for up to 75 s


def test_a_hanging_sbatch_that_submits_nothing(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(project, "exec sleep 60", timeout=2, retry=8)

    job, began, status = called(project)

    assert status == 1
    assert len(calls(sbatch)) > 1
    sees(
        "submit command hangs, without submitting (timeout 2 s, retry 8 s)",
        project,
        job,
        since=began,
        end="Failed",
        says="did not answer within 2 s; the job is not in the queue",
    )


@pytest.mark.parametrize(
    ("fault", "body", "attempt"),
    [
        (
            "submit command hangs, having submitted (timeout 3 s)",
            'real "$@"; exec sleep 60',
            "did not answer within 3 s",
        ),
        (
            "submit command lies: prints an error, yet takes the job",
            'real "$@" >/dev/null; echo "sbatch: error: Batch job submission failed: Socket timed '
            'out on send/recv operation" >&2; exit 1',
            "Socket timed out",
        ),
    ],
)
def test_a_job_that_was_taken_without_a_word(
    fault: str, body: str, attempt: str, make_project: MakeProject, sees: Watched
) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(project, body, timeout=3)

    job, began, status = called(project)

    assert status == 0
    sees(fault, project, job, since=began, end="Succeeded")
    assert_ran_once(project, job)
    assert len(calls(sbatch)) == 1
    assert attempt in project.record(job)["attempts"][0]


def test_a_slow_sbatch_is_waited_for(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5")
    sbatch = wrap_sbatch(project, 'sleep 6; real "$@"')

    job, began, status = called(project)

    assert status == 0
    sees("submit command is slow (6 s)", project, job, since=began, end="Succeeded")
    assert_ran_once(project, job)
    assert len(calls(sbatch)) == 1
    assert project.record(job)["attempts"] == []


def test_slurmctld_down_for_a_while(
    make_project: MakeProject, tmp_path: Path, sees: Watched
) -> None:
    project = make_project("5")
    job = mask_job(project)
    mark_running(project, job)
    sbatch = wrap_sbatch(project, 'real "$@"')
    began = time.time()
    with ControllerLine(tmp_path / "line") as line:
        hook = start_hook(project, job, SLURM_CONF=str(line.configuration))
        wait_for(lambda: calls(sbatch), 60, "the first attempt")
        wait_for(lambda: not Path(f"/proc/{calls(sbatch)[0]}").exists(), 60, "the end of it")
        line.open()
        output, _ = hook.communicate(timeout=90)
        assert hook.returncode == 0, output

    sees("slurmctld down at first during submission", project, job, since=began, end="Succeeded")
    assert_ran_once(project, job)
    assert project.record(job)["attempts"]


def test_slurmctld_down_for_good(make_project: MakeProject, tmp_path: Path, sees: Watched) -> None:
    project = make_project("5")
    change_scheduler(project, retry=8)
    with ControllerLine(tmp_path / "line") as line:
        job, began, status = called(project, SLURM_CONF=str(line.configuration))

    assert status == 1
    sees(
        "slurmctld down for good (retry 8 s)",
        project,
        job,
        since=began,
        end="Failed",
        says="Unable to contact slurm controller",
    )
    token = project.record(job)["token"]
    assert copies_in_slurm(token) == []
    assert (job / f".dispatch_claim.{token}").is_symlink()


def test_slurmctld_takes_the_job_after_sbatch_has_given_up(
    make_project: MakeProject, tmp_path: Path, sees: Watched
) -> None:
    project = make_project("5")
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()
    with ControllerLine(tmp_path / "line") as line:
        line.held = 1
        line.releases_at_once = True
        line.open()
        hook = start_hook(project, job, SLURM_CONF=str(line.configuration))
        output, _ = hook.communicate(timeout=90)
        assert hook.returncode == 0, output

    fault = "slurmctld takes the job after sbatch has given up"
    sees(fault, project, job, since=began, end="Succeeded")
    assert_ran_once(project, job)
    assert "the queue has the job, as job" in project.record(job)["attempts"][-1]


def test_a_job_that_was_given_up_does_not_run_when_slurm_takes_it_after_all(
    make_project: MakeProject, tmp_path: Path, sees: Watched
) -> None:
    project = make_project("5")
    change_scheduler(project, retry=4, queue_command=["false"])  # nor does squeue answer
    with ControllerLine(tmp_path / "line") as line:
        line.held = 1
        line.open()
        job, began, status = called(project, SLURM_CONF=str(line.configuration))
        assert status == 1

        line.release()

    (number,) = copies_in_slurm(project.record(job)["token"])
    listed = ["squeue", "--states=all", "--noheader", "--format=%T", f"--jobs={number}"]
    wait_for(lambda: "COMPLETED" in subprocess.check_output(listed, text=True), 30, "its end")
    assert not (job / "mask.mrc").exists()
    fault = "slurmctld takes a job that was given up (retry 4 s)"
    says = "the queue does not answer whether"
    sees(fault, project, job, since=began, end="Failed", says=says)
