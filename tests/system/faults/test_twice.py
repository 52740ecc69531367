"""No job runs twice: two calls of the hook, two copies in the queue, two hundred jobs at once."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..beds import Bed
from ..hook_calls import calls, start_hook
from ..jobs import add_to_pipeline, copy_of, mark_running, mask_job
from ..project import Project
from .conftest import Watched
from .observation import EXIT_FILES
from .table import ALL


def test_two_calls_of_the_hook_submit_one_job(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job = mask_job(project)
    mark_running(project, job)
    began = time.time()

    hooks = [start_hook(project, job) for _ in range(2)]
    printed = [hook.communicate(timeout=60)[0] for hook in hooks]

    assert [hook.returncode for hook in hooks] == [0, 0], printed
    sees(
        "same script submitted twice at the same moment",
        project,
        job,
        since=began,
        end="Succeeded",
    )
    assert sum(f"submitted to {bed.scheduler} as job" in text for text in printed) == 1, printed
    assert sum("call does nothing" in text for text in printed) == 1, printed
    assert len(list(job.glob("dispatch.json*"))) == 1
    assert (job / "run.out").read_text().count("relion-dispatch 0") == 1


def test_of_two_copies_in_the_queue_one_runs(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job = mask_job(project)
    mark_running(project, job)
    # A submit command that takes the job twice, as one that is tried again after a timeout does.
    bed.wrap(project, f'real {bed.held} "$@"; real {bed.held} "$@"')
    hook = start_hook(project, job)
    assert hook.wait(60) == 0
    numbers = bed.copies(project.record(job)["token"])
    assert len(numbers) == 2

    began = time.time()
    bed.release(*numbers)

    def noted() -> bool:
        return "this copy of the job stops" in (job / "run.out").read_text()

    wait_for(lambda: (job / "run.out").exists() and noted(), 60, "the second's note")
    fault = "scheduler takes the job twice, both start at the same moment"
    sees(fault, project, job, since=began, end="Succeeded")
    assert (job / "run.out").read_text().count("relion-dispatch 0") == 1
    assert "relion-dispatch" not in (job / "run.err").read_text()


def many_jobs(project: Project, count: int) -> list[Path]:
    """Jobs of one kind whose program writes a line each time it runs; the pipeline has them all."""
    program = project.folder / "counted"
    program.write_text('#!/bin/bash\necho $$ >>"${2}ran"\n')
    program.chmod(0o755)
    first = project.add_job("external", fn_exe=str(program))
    jobs = [first, *(copy_of(first, number) for number in range(101, 100 + count))]
    add_to_pipeline(project, first, jobs[1:])
    return jobs


def submit_at_once(jobs: list[tuple[Project, Path]]) -> None:
    """Call the hooks of all jobs, as many at once as we have; and wait for the jobs' ends."""
    failed: list[str] = []
    lock = threading.Lock()

    def submit(each: tuple[Project, Path]) -> None:
        hook = start_hook(*each)
        output, _ = hook.communicate(timeout=240)
        with lock:
            failed.extend([output] if hook.returncode else [])

    with ThreadPoolExecutor(4 * (os.cpu_count() or 1)) as pool:
        list(pool.map(submit, jobs))
    assert not failed, failed
    wait_for(lambda: all(list(job.glob(EXIT_FILES)) for _, job in jobs), 120, "the last job")


def assert_each_ran_once(bed: Bed, jobs: list[tuple[Project, Path]]) -> None:
    """RELION was told of each job's success, the queue has it once, and its record names it."""
    for _, job in jobs:
        assert [file.name for file in job.glob(EXIT_FILES)] == ["RELION_JOB_EXIT_SUCCESS"]
        assert len((job / "ran").read_text().splitlines()) == 1, job
    records = [project.record(job) for project, job in jobs]
    assert len({record["token"] for record in records}) == len(jobs)
    for record in records:
        assert bed.copies(record["token"]) == [record["job_id"]]


def test_two_hundred_submissions_of_two_projects_at_once(bed: Bed, sees: Watched) -> None:
    """Each job runs once, and each record has the job of its own."""
    projects = [bed.project(name=name, submit={"mem": "100M"}) for name in ("one", "two")]
    jobs = [(project, job) for project in projects for job in many_jobs(project, 100)]
    began = time.time()

    submit_at_once(jobs)

    assert_each_ran_once(bed, jobs)
    for project, job in (jobs[0], jobs[-1]):
        fault = "200 submissions at once from two projects"
        sees(fault, project, job, since=began, end="Succeeded", within=240)
    for project in projects:
        pipeline = (project.folder / "default_pipeline.star").read_text()
        assert pipeline.count("Succeeded") == 100


@pytest.mark.parametrize("bed", [bed for bed in ALL if bed != "gridengine"], indirect=True)
def test_submissions_at_once_to_a_server_that_is_overrun(bed: Bed, sees: Watched) -> None:
    """Of three calls one gets no answer, and one is not heard."""
    project = bed.project(submit={"mem": "100M"})
    jobs = [(project, job) for job in many_jobs(project, 100)]
    gone = 'echo "Connection reset by peer" >&2; exit 1'
    submit = bed.wrap(
        project,
        f'case $(($(wc -l <"$0.calls") % 3)) in\n'
        f'0) real "$@" >/dev/null; {gone} ;;\n1) {gone} ;;\n*) real "$@" ;;\nesac',
    )
    began = time.time()

    submit_at_once(jobs)

    assert len(calls(submit)) > 120  # a third was tried again
    assert_each_ran_once(bed, jobs)
    fault = "100 submissions at once, to a server that hears or answers two of three times"
    sees(fault, *jobs[0], since=began, end="Succeeded", within=240)
