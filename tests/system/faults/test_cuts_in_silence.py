"""A job that goes on, and whose scheduler does not answer when it is cut."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from ...waiting import wait_for
from ..beds.preempting import PreemptingBed
from ..beds.servers import Silence
from ..beds.slurm import SlurmBed
from .conftest import Refines, Watched
from .table import PREEMPTING, SLURM


@pytest.fixture
def silence(bed: PreemptingBed, refines: Refines) -> Iterator[Silence]:
    """The server of a cluster where jobs give way."""
    with bed.silence() as silence:
        yield silence


@pytest.mark.parametrize(
    ("bed", "partition"),
    [
        *((bed, partition) for bed in SLURM for partition in ("requeued", "cancelled")),
        ("gridengine", "cpu.q"),
    ],
    indirect=["bed"],
)
def test_a_scheduler_that_answers_again_in_time(
    partition: str, bed: PreemptingBed, refines: Refines, silence: Silence, sees: Watched
) -> None:
    """Slurm requeues the job by itself, or has to be asked to before it kills the job. Grid Engine
    suspends it."""
    refinement = refines(partition=partition)
    refinement.submit(**silence.environment)
    refinement.wait_for_iteration(1)

    silence.begin()
    bed.preempt(refinement.number)
    refinement.wait_for_signal()
    time.sleep(4)
    silence.end()

    refinement.wait_for_program(2)
    began = refinement.may_end()
    fault = "scheduler down at the cut, and back after 4 s"
    sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
    refinement.assert_went_on("preemption", 1)


@pytest.mark.parametrize("bed", SLURM, indirect=True)
def test_a_slurm_that_does_not_answer_after_it_has_cancelled_the_job(
    bed: SlurmBed, refines: Refines, silence: Silence, sees: Watched
) -> None:
    """The script tells, or the watcher, which finds Slurm back."""
    refinement = refines(partition="cancelled")
    refinement.submit(**silence.environment)
    refinement.wait_for_iteration(1)

    silence.begin()
    bed.preempt(refinement.number)
    refinement.wait_for_signal()
    began = time.time()
    wait_for(lambda: not bed.knows(refinement.number).startswith(bed.passing), 60, "the end")
    silence.end()

    fault = "scheduler down from the cut on (preemption that cancels)"
    sees(
        fault, refinement.project, refinement.job, since=began, end="Failed", says="because",
        within=60,
    )  # fmt: skip
    assert len(refinement.began()) == 1


@pytest.mark.parametrize("bed", PREEMPTING, indirect=True)
def test_a_scheduler_that_does_not_answer_at_the_time_limit(
    bed: PreemptingBed, refines: Refines, silence: Silence, sees: Watched
) -> None:
    """Slurm's warning comes up to half a minute after the start. Grid Engine is asked for nothing:
    the script looks at the clock."""
    refinement = refines(time=bed.short)
    refinement.submit(**silence.environment)
    refinement.wait_for_iteration(1)
    fault = "scheduler down from the time limit on"

    silence.begin()
    if isinstance(bed, SlurmBed):
        wait_for(silence.was_asked, 60, "the script, which asks when it is warned")
        sees(
            fault, refinement.project, refinement.job, since=time.time(), end="Failed",
            says="its scheduler did not take the next run", within=60,
        )  # fmt: skip
    else:
        refinement.wait_for_program(2)
        silence.end()
        began = refinement.may_end()
        sees(fault, refinement.project, refinement.job, since=began, end="Succeeded")
        refinement.assert_went_on("time_limit", 1)
