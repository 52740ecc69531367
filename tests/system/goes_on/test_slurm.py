"""A Refine3D on a real Slurm goes on: after its time limit, preemption, the loss of its node."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ...waiting import wait_for
from ..hook_calls import change_site
from ..project import MakeProject, Project
from ..slurm_nodes import ask_operator, return_node, state_of_node
from .cut_refinement import assert_complete

pytestmark = pytest.mark.usefixtures("preempting_slurm")


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

    cuts = assert_complete(refinement, uncut)
    assert len(cuts) >= 3
    assert {*cuts} == {"time_limit"}


@pytest.mark.parametrize("partition", ["requeued", "cancelled", "warned", "dismissed"])
def test_two_jobs_of_higher_priority(
    partition: str, make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    """Slurm requeues the job, cancels it, or warns it and would then requeue or cancel it."""
    project = make_project("5", submit={"partition": partition, "nthread": 1, "mem": "2G"})
    card = {"cores": 32, "gpus": 4, "gpu_memory": "32G"}
    change_site(project, partitions={partition: card})
    refinement = started(project)

    for run in (1, 2):
        refinement.wait_for_iterations(run, 2)
        urgent = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--time=1"]
        subprocess.run([*urgent, "--output=/dev/null", "--wrap=true"], check=True)
        refinement.wait_for_cut(run)

    assert assert_complete(refinement, uncut) == ["preemption"] * 2


def test_a_lost_node_that_computes_on(
    make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    """Slurm starts the job on the other node. RELION begins there when its ranks on the first node
    have ended, and writes nothing again but the iteration that it goes on from, as it always does.
    """
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
            assert assert_complete(refinement, uncut) == ["lost_node"]
    finally:
        return_node(lost)

    assert max(map(len, seen)) == 1, seen
    assert seen[0] == {lost} != seen[-1]
    first, second = refinement.runs
    assert {first.host, second.host} == {"gpu1", "gpu2"}
    assert second.from_iteration
    kept = {name: time for name, time in before.items() if int(name[6:9]) < second.from_iteration}
    assert kept.items() <= written(refinement.job).items()


# Stands in for a memory that is full in the third iteration: it ends RELION with the words that
# RELION has for this, once.
FULL = """#!/bin/bash
optimiser=$(echo Refine3D/*)/run_it002_optimiser.star
[[ $* == *relion_refine_mpi* && ! -e full ]] || exec {apptainer} "$@"
touch full
{apptainer} "$@" &
until [ -e "$optimiser" ]; do sleep 0.1; done
kill $!
wait
printf '{says}\\n' >&2
exit 1
"""


def fill_memory(project: Project, says: str) -> None:
    """Have RELION's ranks fill a memory, of which they say so."""
    program = project.folder.parent / "apptainer-with-a-full-memory"
    program.write_text(FULL.format(apptainer=os.environ["RELION_TEST_APPTAINER"], says=says))
    program.chmod(0o755)
    change_site(project, apptainer={"program": str(program)})


def test_a_rank_whose_gpu_is_full(make_project: MakeProject, started: Any, uncut: set[str]) -> None:
    """The next run has fewer ranks on each GPU, in the same allocation."""
    project = make_project("5", refine={"ngpu": 2, "nproc": 5, "nthread": 1})
    fill_memory(project, r"ERROR: \nYou ran out of memory on the GPU(s).")

    refinement = started(project, "gpu_memory")
    refinement.wait_for_cut(1)

    assert assert_complete(refinement, uncut) == ["gpu_memory"]
    first, second = refinement.runs
    assert (first.ranks, second.ranks) == (5, 3)
    assert first.job_id == second.job_id
    assert "the job goes on by itself, with 1 instead of 2 ranks on each GPU" in (
        refinement.job / "run.out"
    ).read_text(errors="replace")


def memory_of(job: str) -> str:
    """What a job asks for on each node, as Slurm has it."""
    shown = subprocess.check_output(["scontrol", "show", "job", job], text=True)
    found = re.search(r"MinMemoryNode=(\S+)", shown)
    assert found, shown
    return found[1]


def test_a_node_whose_memory_is_full(
    make_project: MakeProject, started: Any, uncut: set[str]
) -> None:
    """Three ranks are the fewest, so the job waits in the queue for more memory, although Slurm
    puts it back for nothing else."""
    project = make_project("5", refine={"mem": "8G", "scheduler_options": ["--no-requeue"]})
    node = {"cores": 32, "gpus": 4, "gpu_memory": "32G", "memory": "16G"}
    change_site(project, partitions={"gpu": node})
    fill_memory(project, "std::bad_alloc")

    refinement = started(project, "host_memory")
    assert memory_of(refinement.number) == "8G"
    refinement.wait_for_cut(1)

    wait_for(lambda: memory_of(refinement.number) == "16G", 30, "more memory")
    assert assert_complete(refinement, uncut) == ["host_memory"]
    assert memory_of(refinement.number) == "16G"
    first, second = refinement.runs
    assert first.learned.memory_mib == second.learned.memory_mib == 16384
    assert first.job_id == second.job_id
    assert second.from_iteration
    assert "with 16 GiB instead of 8 GiB of memory, for which it waits in the queue" in (
        refinement.job / "run.out"
    ).read_text(errors="replace")


def written(job: Path) -> dict[str, int]:
    """When each file of an iteration was written."""
    return {file.name: file.stat().st_mtime_ns for file in job.glob("run_it*")}
