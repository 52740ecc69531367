"""A job that goes on, and what else is wrong when it is cut: in a cluster by a preemption."""

from __future__ import annotations

import time
from itertools import groupby

import pytest

from ..beds.preempting import PreemptingBed
from ..beds.slurm import SlurmBed
from ..hook_calls import change_site
from ..slurm_nodes import ask_operator
from .conftest import Refines, Watched
from .small_disk import fill, move_to_small_ext4
from .table import CUTTING, PREEMPTING, SLURM


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_cut_in_its_first_iteration(
    bed: PreemptingBed | None, refines: Refines, sees: Watched
) -> None:
    refinement = refines()
    refinement.submit()

    refinement.cut()
    refinement.next_run()

    refinement.wait_for_program(2)
    refinement.wait_for_iteration(1)
    began = refinement.may_end()
    fault = "cut while its first iteration runs"
    sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    refinement.assert_went_on("preemption" if bed else "lost_node", None)
    assert "from the beginning, as no iteration was finished" in refinement.texts()


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_two_cuts_without_progress(
    bed: PreemptingBed | None, refines: Refines, sees: Watched
) -> None:
    """A run that a power cut has ended is counted by the next one."""
    refinement = refines()
    refinement.submit()
    refinement.cut()
    refinement.next_run()
    refinement.wait_for_program(2)

    began = time.time()
    if bed:
        bed.preempt(refinement.number)
    else:
        refinement.cut()
        refinement.next_run()

    fault = "cut twice in a row without progress"
    says = "its last 2 runs ended without a new iteration"
    sees(fault, refinement.project, refinement.job, since=began, end="Failed", says=says)
    assert len(refinement.began()) == 2


@pytest.mark.parametrize("bed", CUTTING, indirect=True)
def test_a_disk_that_is_full_and_free_again(
    bed: PreemptingBed | None, refines: Refines, sees: Watched
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
    refinement.assert_went_on("preemption" if bed else "lost_node", 1)


@pytest.mark.parametrize("bed", PREEMPTING, indirect=True)
def test_a_disk_that_stays_full(bed: PreemptingBed, refines: Refines, sees: Watched) -> None:
    """There is room for a sentence where Slurm has already written into run.err."""
    refinement = refines()
    move_to_small_ext4(refinement.job)
    refinement.submit()
    refinement.wait_for_iteration(1)

    fill()
    refinement.cut()
    fill()  # of what the control folder has left
    began = time.time()

    fault = "disk full from the cut on"
    says = "the disk is full" if isinstance(bed, SlurmBed) else None
    sees(fault, refinement.project, refinement.job, since=began, end="Failed", says=says)
    assert len(refinement.began()) == 1


@pytest.mark.parametrize("bed", PREEMPTING, indirect=True)
def test_a_node_that_is_lost_while_its_programs_live_on(
    bed: PreemptingBed, refines: Refines, sees: Watched
) -> None:
    """The second run begins when the first one has ended its programs; Slurm starts it on the other
    node, and a Grid Engine of one node on that one, when the node is back."""
    refinement = refines()
    refinement.submit()
    refinement.wait_for_iteration(2)
    lost = refinement.began()[0][0]
    others = {"gpu1": "gpu2", "gpu2": "gpu1"}
    try:
        bed.silence_node(lost, refinement.number)
        refinement.wait_for_writing()
        if lost not in others:
            bed.return_node(lost)

        refinement.wait_for_program(2)
        refinement.wait_for_iteration(3)
        began = refinement.may_end()
        fault = "node lost while its programs live on"
        sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    finally:
        bed.return_node(lost)
    refinement.assert_went_on("lost_node", 2)
    writers = [program for program, _ in groupby(refinement.writes())]
    assert writers == [f"{node} {process}" for node, process, *_ in refinement.began()]
    assert refinement.began()[1][0] == others.get(lost, lost)


@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_a_node_that_an_admin_sets_to_down(
    bed: PreemptingBed, refines: Refines, sees: Watched
) -> None:
    """Slurm puts the job back as if the job had been preempted. One that survives lost nodes alone
    goes on."""
    refinement = refines()
    change_site(refinement.project, goes_on={"after": ["lost_node"]})
    refinement.submit()
    refinement.wait_for_iteration(2)
    node = refinement.began()[0][0]
    try:
        ask_operator(f"down {node}")
        refinement.wait_for_program(2)
        began = refinement.may_end()
        fault = "node set to down by an admin"
        sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    finally:
        bed.return_node(node)
    refinement.assert_went_on("lost_node", 2)
