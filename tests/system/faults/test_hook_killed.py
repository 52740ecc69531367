"""The hook killed at any moment: the job is found again, or RELION is told why there is none."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ...waiting import wait_for
from ..beds import Bed
from ..hook_calls import calls, dispatch, start_hook
from ..jobs import add_to_pipeline, copy_of, mark_running, mask_job
from ..project import Project
from .conftest import Watched
from .observation import EXIT_FILES, exit_file

KILLED_HOOK = Path(__file__).with_name("killed_hook.py")


def kill(hook: subprocess.Popen[str]) -> None:
    """End the hook, and what it has started."""
    os.killpg(hook.pid, signal.SIGKILL)
    hook.wait()


def as_after_ten_minutes(job: Path) -> None:
    """For so long another process may still be submitting a job that has no record."""
    begin = time.time() - 700
    os.utime(job / "run_submit.script", (begin, begin))


def test_before_there_is_a_record(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job = mask_job(project)
    mark_running(project, job)
    steps = killed_at(0, project, copy_of(job, 99))
    noted = next(at for at, step in enumerate(steps, 1) if step.endswith(" .dispatch_hook"))
    killed_at(noted + 1, project, job)
    assert not (job / "dispatch.json").exists()
    began = time.time()

    (row,) = json.loads(dispatch(project, "status", "--json"))

    assert row["relion"] == "Failed"
    fault = "hook killed while it plans, before there is a record"
    sees(fault, project, job, since=began, end="Failed", says="was never submitted")


def test_before_the_job_is_in_the_queue(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    submit = bed.wrap(project, "exec sleep 60")
    job = mask_job(project)
    mark_running(project, job)
    hook = start_hook(project, job)
    wait_for(lambda: calls(submit), 20, "the submit command")
    began = time.time()
    kill(hook)
    record = project.record(job)
    assert (record["job_id"], len(record["token"])) == (None, 12)

    (row,) = json.loads(dispatch(project, "status", "--json"))

    assert row["relion"] == "Failed"
    fault = "hook killed before the job is in the queue"
    sees(fault, project, job, since=began, end="Failed", says="the queue does not have the job")


def test_when_the_job_is_in_the_queue(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    submit = bed.wrap(project, f'real {bed.held} "$@"; touch "$0.taken"; exec sleep 60')
    job = mask_job(project)
    mark_running(project, job)
    hook = start_hook(project, job)
    wait_for(submit.with_name(f"{submit.name}.taken").exists, 20, "the submission")
    began = time.time()
    kill(hook)
    record = project.record(job)
    assert record["job_id"] is None
    (job_id,) = bed.copies(record["token"])

    (row,) = json.loads(dispatch(project, "status", "--json"))

    assert (row["relion"], row["state"], row["job_id"]) == ("Running", bed.waits, job_id)
    bed.release(job_id)
    fault = "hook killed when the job is in the queue"
    sees(fault, project, job, since=began, end="Succeeded")
    bed.assert_ran_once(project, job)


def killed_at(step: int, project: Project, job: Path) -> list[str]:
    """Run the hook until it is killed before a step; the steps."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            KILLED_HOOK,
            str(step),
            f"{job.parent.name}/{job.name}/run_submit.script",
        ],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    steps = [line for line in done.stderr.splitlines() if line.startswith(("o", "subprocess."))]
    assert done.returncode == (-signal.SIGKILL if step else 0), done.stdout + done.stderr
    return steps


def test_at_each_of_its_steps(bed: Bed, sees: Watched) -> None:
    """The jobs wait until the next `status`: it finishes what the hook has left undone."""
    project = bed.project()
    bed.hold(project)
    first = mask_job(project)
    spare = [copy_of(first, 98), copy_of(first, 99)]
    killed_at(0, project, spare[0])  # fills the caches
    count = len(killed_at(0, project, spare[1]))
    for job in spare:
        bed.cancel(project.record(job)["job_id"])
    assert count > 6
    jobs = {step: copy_of(first, 100 + step) for step in range(1, count + 1)}
    add_to_pipeline(project, first, list(jobs.values()))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        steps = list(pool.map(lambda step: killed_at(step, project, jobs[step]), jobs))
    submits = next(at for at, step in enumerate(steps[-1], 1) if bed.submit[0] in step)

    for step, job in jobs.items():
        if (job / "dispatch.json").exists():
            token = project.record(job)["token"]  # a whole file
            assert len(bed.copies(token)) == (step > submits), steps[step - 1]
        else:
            assert step < submits
            as_after_ten_minutes(job)
    as_after_ten_minutes(first)
    began = time.time()
    dispatch(project, "status")
    bed.release(*(project.record(job)["job_id"] for step, job in jobs.items() if step > submits))

    wait_for(lambda: all(exit_file(job) for job in jobs.values()), 60, "the last end")
    for step, job in jobs.items():
        assert not list(job.glob(".*.new")), steps[step - 1]
        with (job / ".dispatch.json.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        end = "SUCCESS" if step > submits else "FAILURE"
        assert [file.name for file in job.glob(EXIT_FILES)] == [f"RELION_JOB_EXIT_{end}"], step
        if step > submits:
            bed.assert_ran_once(project, job)
        else:
            seen = sees(
                "hook killed at each of its steps",
                project,
                job,
                since=began,
                end="Failed",
                says="submit the job again",
                within=60,
            )
            assert seen.recorded == "no job"
