"""A Refine3D on a real Slurm goes on: after its time limit, preemption, and the loss of its node."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ...waiting import wait_for
from ..hook_calls import change_site
from ..jobs import mask_job
from ..project import MakeProject, Project
from ..slurm_nodes import ask_operator, return_node, state_of_node
from .refinement import Refinement, outputs_of

pytestmark = pytest.mark.usefixtures("preempting_slurm")


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts a refinement, and ends what a test that failed leaves of it."""
    all_started: list[Refinement] = []

    def start(project: Project) -> Refinement:
        all_started.append(Refinement.started(project))
        return all_started[-1]

    yield start
    for refinement in all_started:
        refinement.kill()


def assert_complete(refinement: Refinement, uncut: set[str], cuts: list[str]) -> None:
    """The job went on after these, has all that an uncut one has, and its map is sharpened."""
    project, job = refinement.project, refinement.job
    refinement.assert_succeeds()
    runs = refinement.runs
    assert [run.why for run in runs] == [*cuts, None]
    reached = [run.from_iteration or 0 for run in runs]
    assert reached == sorted(reached), "no run began before where the one before it had begun"
    assert outputs_of(job) == uncut

    mask = mask_job(project)
    project.run_job(mask)
    project.assert_succeeded(mask)
    sharpened = project.add_job(
        "postprocess",
        fn_in=f"Refine3D/{job.name}/run_half1_class001_unfil.mrc",
        fn_mask=f"MaskCreate/{mask.name}/mask.mrc",
        do_auto_bfac="No",
    )
    project.run_job(sharpened)
    project.assert_succeeded(sharpened)
    assert (sharpened / "postprocess.mrc").stat().st_size > 0


def test_three_cuts_by_the_time_limit(
    make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    """Slurm warns each run 30 to 60 s after its start; before that a fast machine would finish."""
    project = make_project("5", refine={"time": "00:02:00"})
    refinement = started(project)

    for run in (1, 2, 3):
        refinement.wait_for_iterations(run, 2)
        refinement.pause()
        refinement.wait_for_cut(run)

    assert_complete(refinement, uncut, ["time_limit"] * (len(refinement.runs) - 1))


@pytest.mark.parametrize("partition", ["requeued", "cancelled", "warned"])
def test_two_jobs_of_higher_priority(
    partition: str, make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    """Slurm requeues the job, cancels it, or warns it and would then requeue it."""
    project = make_project("5", submit={"partition": partition, "nthread": 1, "mem": "2G"})
    card = {"cores": 32, "gpus": 4, "gpu_memory": "32G"}
    change_site(project, partitions={partition: card})
    refinement = started(project)

    for run in (1, 2):
        refinement.wait_for_iterations(run, 2)
        urgent = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--time=1"]
        subprocess.run([*urgent, "--output=/dev/null", "--wrap=true"], check=True)
        refinement.wait_for_cut(run)

    assert_complete(refinement, uncut, ["preemption"] * 2)


def test_a_lost_node_that_computes_on(
    make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    """Slurm starts the job on the other node. RELION begins there when its ranks on the first node
    have ended, and does not write again what it goes on from."""
    refinement = started(make_project("5"))
    refinement.wait_for_iterations(1, 2)
    (lost,) = {node for _, node in refinement.ranks()}
    refinement.pause()  # or it might have finished before Slurm calls the node lost
    try:
        ask_operator(f"silence {lost}")
        wait_for(lambda: state_of_node(lost).startswith("DOWN"), 90, f"the loss of {lost}")
        with refinement.seen_on_nodes() as seen:
            refinement.resume()
            refinement.wait_for_cut(1)
            before = written(refinement.job)
            assert_complete(refinement, uncut, ["lost_node"])
    finally:
        return_node(lost)

    assert max(map(len, seen)) == 1, seen
    assert seen[0] == {lost} != seen[-1]
    first, second = refinement.runs
    assert {first.host, second.host} == {"gpu1", "gpu2"}
    assert second.from_iteration
    kept = {name: time for name, time in before.items() if int(name[6:9]) <= second.from_iteration}
    assert kept.items() <= written(refinement.job).items()


def written(job: Path) -> dict[str, int]:
    """When each file of an iteration was written."""
    return {file.name: file.stat().st_mtime_ns for file in job.glob("run_it*")}
