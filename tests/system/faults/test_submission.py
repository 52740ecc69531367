"""Jobs go to the scheduler once: through lies, silence, and a server that is down."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..beds import Bed
from ..beds.slurm import SlurmBed
from ..hook_calls import calls, start_hook
from ..jobs import mark_running, mask_job
from ..project import Project
from .conftest import Watched
from .table import SLURM


def called(project: Project, **environment: str) -> tuple[Path, float, int]:
    """Call the hook for a job, as RELION does; the job, when that was, and the exit status."""
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()
    hook = start_hook(project, job, **environment)
    hook.communicate(timeout=120)
    return job, began, hook.returncode


def test_a_missing_command(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    bed.change(project, submit_command=["submit_of_another_cluster"])

    job, began, status = called(project)

    assert status == 1
    sees(
        "submit command missing", project, job, since=began, end="Failed", says="cannot be started"
    )


def test_a_clear_refusal_is_final_at_once(bed: Bed, sees: Watched) -> None:
    for at, (options, says) in enumerate(bed.impossible):
        project = bed.project(name=f"project{at}")
        bed.change(project, submit_command=[*bed.submit, *options])

        job, began, status = called(project)

        assert status == 1
        fault = "submit command refuses what can never run"
        seen = sees(fault, project, job, since=began, end="Failed", says=says)
        assert (
            seen.seconds is not None and seen.seconds < 20
        )  # it is not tried again, for up to 75 s
        assert seen.recorded == "no job"


def test_a_command_that_hangs_and_submits_nothing(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    submit = bed.wrap(project, "exec sleep 60", timeout=2, retry=8)

    job, began, status = called(project)

    assert status == 1
    assert len(calls(submit)) > 1
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
            'real "$@" >/dev/null; echo "Connection reset by peer" >&2; exit 1',
            "Connection reset",
        ),
    ],
)
def test_a_job_that_was_taken_without_a_word(
    fault: str, body: str, attempt: str, bed: Bed, sees: Watched
) -> None:
    project = bed.project()
    submit = bed.wrap(project, body, timeout=3)

    job, began, status = called(project)

    assert status == 0
    sees(fault, project, job, since=began, end="Succeeded")
    bed.assert_ran_once(project, job)
    assert len(calls(submit)) == 1
    assert attempt in project.record(job)["attempts"][0]


def test_a_slow_command_is_waited_for(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    submit = bed.wrap(project, 'sleep 6; real "$@"')

    job, began, status = called(project)

    assert status == 0
    sees("submit command is slow (6 s)", project, job, since=began, end="Succeeded")
    bed.assert_ran_once(project, job)
    assert len(calls(submit)) == 1
    assert project.record(job)["attempts"] == []


def test_the_server_is_down_for_a_while(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job = mask_job(project)
    mark_running(project, job)
    submit = bed.wrap(project, 'real "$@"')
    began = time.time()
    with bed.cut_line() as line:
        hook = start_hook(project, job, **line.environment)
        wait_for(lambda: calls(submit), 60, "the first attempt")
        wait_for(lambda: not Path(f"/proc/{calls(submit)[0]}").exists(), 60, "the end of it")
        line.open()
        output, _ = hook.communicate(timeout=90)
        assert hook.returncode == 0, output

    sees("server down at first during submission", project, job, since=began, end="Succeeded")
    bed.assert_ran_once(project, job)
    assert bed.unreachable in project.record(job)["attempts"][0]


def test_the_server_is_down_for_good(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    bed.change(project, retry=8)
    with bed.cut_line() as line:
        job, began, status = called(project, **line.environment)

    assert status == 1
    fault = "server down for good (retry 8 s)"
    sees(fault, project, job, since=began, end="Failed", says=bed.unreachable)
    token = project.record(job)["token"]
    assert bed.copies(token) == []
    assert (job / f".dispatch_claim.{token}").is_symlink()


@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_the_server_takes_the_job_after_the_command_has_given_up(
    bed: SlurmBed, sees: Watched
) -> None:
    """On other beds this is what the command does that hangs, having submitted."""
    project = bed.project()
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()
    with bed.cut_line() as line:
        line.held = 1
        line.releases_at_once = True
        line.open()
        hook = start_hook(project, job, **line.environment)
        output, _ = hook.communicate(timeout=90)
        assert hook.returncode == 0, output

    fault = "server takes the job after the submit command has given up"
    sees(fault, project, job, since=began, end="Succeeded")
    bed.assert_ran_once(project, job)
    assert "the queue has the job, as job" in project.record(job)["attempts"][-1]


def test_a_job_that_was_given_up_does_not_run_when_the_server_takes_it_after_all(
    bed: Bed, sees: Watched
) -> None:
    project = bed.project()
    with bed.late(project) as server:
        bed.change(project, retry=4, queue_command=["false"])  # nor does the queue answer
        job, began, status = called(project, **server.environment)
        assert status == 1

        server.release()

    (number,) = bed.copies(project.record(job)["token"])
    wait_for(lambda: not bed.in_queue(number), 60, "its end")
    assert not (job / "mask.mrc").exists()
    fault = "server takes a job that was given up (retry 4 s)"
    says = "the queue does not answer whether"
    sees(fault, project, job, since=began, end="Failed", says=says)
