"""A Refine3D on a real Grid Engine goes on: after its time limit, a suspension, a lost node."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from dispatcher.jobs.record import RECORD, load_record

from ...waiting import wait_for, wait_for_end
from ..gridengine_site import (
    accounted,
    ask_operator,
    in_queue,
    lose_sight_of_node,
    on_gridengine_site,
    queue_says,
)
from ..project import MakeProject, Project
from .cut_refinement import CutRefinement, outputs_of


class OnGridEngine(CutRefinement):
    """A refinement in Grid Engine's queue."""

    def kill(self) -> None:
        for each in reversed(load_record(self.job / RECORD).jobs_in_line or (self.number,)):
            if in_queue(each):
                subprocess.run(["qdel", each])
        self.pipeliner.terminate()
        self.pipeliner.wait(60)


@pytest.fixture
def started(make_project: MakeProject) -> Iterator[Any]:
    """Starts a refinement, and ends what a test that failed leaves of it."""
    all_started: list[CutRefinement] = []

    def start(queued_ahead: int = 0, **parameters: object) -> CutRefinement:
        project: Project = on_gridengine_site(make_project)(**parameters)
        all_started.append(OnGridEngine.started(project, queued_ahead=queued_ahead))
        return all_started[-1]

    yield start
    for refinement in all_started:
        refinement.kill()


def watcher_waits(refinement: CutRefinement) -> bool:
    watcher = refinement.project.record(refinement.job)["watcher"]["job_id"]
    return queue_says(watcher) == "hqw"


def assert_complete(refinement: CutRefinement, uncut: set[str]) -> list[str | None]:
    """It has all that an uncut one has; what cut its runs."""
    refinement.assert_succeeds()
    assert outputs_of(refinement.job) == uncut
    *cut, _ = refinement.runs
    return [run.why for run in cut]


def test_two_cuts_by_the_time_limit(started: Any, uncut: set[str]) -> None:
    """The script stops itself at half of so short a limit; the limit of each run begins anew."""
    refinement = started(time="00:01:10")
    for run in (1, 2):
        refinement.wait_for_iterations(run, 2)
        refinement.pause()  # before a fast machine has finished
        refinement.wait_for_cut(run)
        assert watcher_waits(refinement)

    cuts = assert_complete(refinement, uncut)
    assert len(cuts) >= 2
    assert {*cuts} == {"time_limit"}
    claims = [claim.readlink().name for claim in refinement.job.glob(".dispatch_claim.*")]
    assert len(claims) == len(refinement.runs)
    assert all(claim.endswith(f", job {refinement.number}") for claim in claims)


def test_a_cut_by_the_time_limit_with_next_runs_in_the_queue(started: Any, uncut: set[str]) -> None:
    refinement = started(queued_ahead=8, time="00:01:10")
    wait_for(lambda: len(load_record(refinement.job / RECORD).jobs_in_line) == 9, 60, "the line")
    line = load_record(refinement.job / RECORD).jobs_in_line
    assert queue_says(line[-1]) == "hqw"
    refinement.wait_for_iterations(1, 2)
    refinement.pause()
    refinement.wait_for_cut(1)

    cuts = assert_complete(refinement, uncut)

    assert {*cuts} == {"time_limit"}
    assert [run.job_id for run in refinement.runs] == list(line[: len(cuts) + 1])
    wait_for(lambda: not any(map(in_queue, line)), 60, "the end of those that wait")


def test_a_job_that_is_deleted_has_ended(started: Any) -> None:
    refinement = started()
    refinement.wait_for_iterations(1, 1)

    subprocess.run(["qdel", refinement.number], check=True)

    wait_for_end(refinement.job, "FAILURE", 60)
    wait_for(lambda: not in_queue(refinement.number), 30, "the job's end")
    assert len(refinement.runs) == 1
    assert accounted(refinement.number)["failed"].split()[0] != "25", "it is not to run again"


def test_a_job_that_is_suspended_gives_way_and_outlives_its_node(
    started: Any, uncut: set[str]
) -> None:
    """The master puts the job of a lost node back. When the node answers again, what still computes
    there ends, and then the next run begins."""
    refinement = started()
    refinement.wait_for_iterations(1, 2)
    subprocess.run(["qmod", "-sj", refinement.number], check=True)
    refinement.wait_for_cut(1)
    refinement.wait_for_iterations(2, 2)
    refinement.pause()  # or it might have finished before the master calls the node lost
    try:
        lose_sight_of_node(refinement.number)
        refinement.resume()
        refinement.assert_runs_for_relion()
        assert watcher_waits(refinement)
        assert not refinement.is_cut(2)
    finally:
        ask_operator("return node1")
    refinement.wait_for_cut(2)

    assert assert_complete(refinement, uncut) == ["preemption", "lost_node"]
