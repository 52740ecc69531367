"""A job that goes on, and what else is wrong when it is cut: on Slurm by a preemption."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from ...waiting import wait_for
from ..beds.servers import Line
from ..beds.slurm import SlurmBed
from ..slurm_nodes import ask_operator, return_node, state_of_node
from .conftest import Refines, Watched
from .made_up_refinement import MadeUpRefinement
from .small_disk import fill, move_to_small_ext4
from .table import CUTTING, SLURM


def went_on(refinement: MadeUpRefinement, why: str, iteration: int | None) -> None:
    """A second run did the rest, from that iteration on."""
    assert [run.ending for run in refinement.runs] == ["GOES_ON", "SUCCESS"]
    first, second = refinement.runs
    assert (first.why, second.from_iteration) == (why, iteration)
    assert [int(began[2]) for began in refinement.began()] == [0, iteration or 0]


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_cut_in_its_first_iteration(bed: SlurmBed | None, refines: Refines, sees: Watched) -> None:
    refinement = refines()
    refinement.submit()

    refinement.cut()
    refinement.next_run()

    refinement.wait_for_program(2)
    refinement.wait_for_iteration(1)
    began = refinement.may_end()
    fault = "cut while its first iteration runs"
    sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    went_on(refinement, "preemption" if bed else "lost_node", None)
    assert "from the beginning, as no iteration was finished" in refinement.texts()


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_two_cuts_without_progress(bed: SlurmBed | None, refines: Refines, sees: Watched) -> None:
    """A run that a power cut has ended is counted by the next one."""
    refinement = refines()
    refinement.submit()
    refinement.cut()
    refinement.next_run()
    refinement.wait_for_program(2)

    began = time.time()
    if bed:
        bed.preempt()
    else:
        refinement.cut()
        refinement.next_run()

    fault = "cut twice in a row without progress"
    says = "its last 2 runs ended without a new iteration"
    sees(fault, refinement.project, refinement.job, since=began, end="Failed", says=says)
    assert len(refinement.began()) == 2


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_a_disk_that_is_full_and_free_again(
    bed: SlurmBed | None, refines: Refines, sees: Watched
) -> None:
    refinement = refines()
    move_to_small_ext4(refinement.job)
    refinement.submit()
    refinement.wait_for_iteration(1)

    filler = fill()
    refinement.cut()
    if not bed:
        refused = refinement.project.relion_dispatch("resume", refinement.name)
        assert refused.returncode == 1
        assert "free space on the disk" in refused.stderr
    filler.unlink()
    refinement.next_run()

    refinement.wait_for_program(2)
    began = refinement.may_end()
    fault = "disk full at the cut, and free again before the next run"
    sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    went_on(refinement, "preemption" if bed else "lost_node", 1)


@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_a_disk_that_stays_full(bed: SlurmBed, refines: Refines, sees: Watched) -> None:
    refinement = refines()
    move_to_small_ext4(refinement.job)
    refinement.submit()
    refinement.wait_for_iteration(1)

    fill()
    refinement.cut()
    fill()  # of what the control folder has left
    began = time.time()

    fault = "disk full from the cut on"
    sees(
        fault, refinement.project, refinement.job, since=began, end="Failed",
        says="the disk is full",
    )  # fmt: skip
    assert len(refinement.began()) == 1


class Silence:
    """A slurmctld that the job's script meets no longer, or again.

    Slurm gives a job the SLURM_CONF of its node. So the script's scontrol is a wrapper that takes
    another one.

    Attributes:
        environment: for the job's submission.
    """

    def __init__(self, folder: Path, line: Line) -> None:
        folder.mkdir()
        self._down = folder / "down"
        program = folder / "scontrol"
        program.write_text(
            f"#!/bin/bash\n[ ! -e {self._down} ] || export "
            f'SLURM_CONF={line.environment["SLURM_CONF"]}\nexec {shutil.which("scontrol")} "$@"\n'
        )
        program.chmod(0o755)
        self.environment = {"PATH": f"{folder}:{os.environ['PATH']}"}

    def begin(self) -> None:
        """Nobody listens from now on."""
        self._down.touch()

    def end(self) -> None:
        """Somebody listens again."""
        self._down.unlink()


@pytest.fixture
def silence(bed: SlurmBed, refines: Refines) -> Iterator[Silence]:
    """A line to the cluster's slurmctld that is cut."""
    with bed.cut_line() as line:
        yield Silence(bed.folder / "silence", line)


@pytest.mark.parametrize("partition", ["requeued", "cancelled"])
@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_a_slurm_that_answers_again_in_time(
    partition: str, bed: SlurmBed, refines: Refines, silence: Silence, sees: Watched
) -> None:
    """It requeues the job by itself, or has to be asked to before it kills the job."""
    refinement = refines(partition=partition)
    refinement.submit(**silence.environment)
    refinement.wait_for_iteration(1)

    silence.begin()
    bed.preempt()
    wait_for(lambda: "CANCELLED AT" in refinement.texts(), 60, "the preemption")
    time.sleep(4)
    silence.end()

    refinement.wait_for_program(2)
    began = refinement.may_end()
    fault = "scheduler down at the cut, and back after 4 s"
    sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    went_on(refinement, "preemption", 1)


@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_a_slurm_that_does_not_answer_after_it_has_cancelled_the_job(
    bed: SlurmBed, refines: Refines, silence: Silence, sees: Watched
) -> None:
    """The script tells, or the watcher, which finds Slurm back."""
    refinement = refines(partition="cancelled")
    refinement.submit(**silence.environment)
    refinement.wait_for_iteration(1)

    silence.begin()
    bed.preempt()
    wait_for(lambda: "CANCELLED AT" in refinement.texts(), 60, "the preemption")
    began = time.time()
    wait_for(lambda: not bed.knows(refinement.number).startswith(bed.passing), 60, "the end")
    silence.end()

    fault = "scheduler down from the cut on (preemption that cancels)"
    sees(
        fault, refinement.project, refinement.job, since=began, end="Failed", says="because",
        within=60,
    )  # fmt: skip
    assert len(refinement.began()) == 1


@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_a_slurm_that_does_not_answer_at_the_time_limit(
    bed: SlurmBed, refines: Refines, silence: Silence, sees: Watched
) -> None:
    """The warning comes up to half a minute after the start. At the start, the newer Slurm tells
    the job when its time is over."""
    refinement = refines(time="00:01:00")
    refinement.submit(**silence.environment)
    refinement.wait_for_iteration(1)

    silence.begin()
    wait_for(lambda: "CANCELLED AT" in refinement.texts(), 90, "the warning")
    began = time.time()

    fault = "scheduler down from the time limit on"
    oldest = bed.name == "slurm-oldest"
    says = "stopped from outside" if oldest else "its scheduler did not take the next run"
    sees(
        fault, refinement.project, refinement.job, since=began, end="Failed", says=says, within=60
    )  # fmt: skip


@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_a_node_that_is_lost_while_its_programs_live_on(
    bed: SlurmBed, refines: Refines, sees: Watched
) -> None:
    """The second run begins on the other node when the first one has ended its programs."""
    refinement = refines()
    refinement.submit()
    refinement.wait_for_iteration(2)
    lost = refinement.began()[0][0]
    try:
        ask_operator(f"silence {lost}")
        wait_for(lambda: state_of_node(lost).startswith("DOWN"), 90, f"the loss of {lost}")
        refinement.wait_for_writing()

        refinement.wait_for_program(2)
        refinement.wait_for_iteration(3)
        began = refinement.may_end()
        fault = "node lost while its programs live on"
        sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    finally:
        return_node(lost)
    went_on(refinement, "lost_node", 2)
    nodes = [node for node, _ in groupby(node for node, _ in refinement.writes())]
    assert nodes == [lost, "gpu2" if lost == "gpu1" else "gpu1"]
