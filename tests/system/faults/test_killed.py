"""Jobs that are killed, whole or in part: RELION is told, and nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ...waiting import processes_of, wait_for
from ..beds import Bed
from ..hook_calls import refining, sleeping, submitted
from ..jobs import LONG, mask_job, wait_for_iterations
from ..project import MakeProject
from .conftest import Watched

# In the scheduler


def test_a_waiting_job_is_cancelled(bed: Bed, sees: Watched) -> None:
    """Nobody looks: it is the watcher that tells."""
    project = bed.project()
    bed.hold(project)
    job = mask_job(project)
    number = bed.submitted(project, job)

    began = time.time()
    bed.cancel(number)

    fault = "a waiting job is cancelled in the scheduler"
    says = bed.cancelled_waiting
    sees(fault, project, job, since=began, end="Failed", says=says, within=bed.within)


def test_a_running_job_is_cancelled(bed: Bed, sees: Watched) -> None:
    project = bed.project()
    job, number = refining(project)
    watcher = project.record(job)["watcher"]["job_id"]
    assert bed.in_queue(watcher)

    began = time.time()
    bed.cancel(number)

    fault = "a running job is cancelled in the scheduler"
    says = "because it was cancelled in the scheduler"
    sees(fault, project, job, since=began, end="Failed", says=says)
    wait_for(lambda: not bed.in_queue(watcher), 30, "the end of the watcher")


@pytest.mark.parametrize(
    ("fault", "how_many", "says"),
    [
        ("kill -9 of the batch shell", 1, "was killed"),  # all of it, where the scheduler does so
        ("kill -9 of the whole job", None, "it was killed (signal KILL)"),
    ],
)
def test_a_job_is_killed(
    fault: str, how_many: int | None, says: str, bed: Bed, sees: Watched
) -> None:
    """The whole is more than shells: the test clusters lose sight of orphans."""
    project = bed.project()
    job, number = sleeping(project)
    processes = bed.processes(project, number)
    assert len(processes) > 3

    began = time.time()
    subprocess.run(["kill", "-KILL", *map(str, processes[:how_many])])  # a pause may be over

    sees(fault, project, job, since=began, end="Failed", says=says, within=bed.within)


# This machine alone


@pytest.mark.parametrize(
    ("fault", "everything", "says"),
    [
        ("kill -9 of the batch shell", False, "its job script was killed"),
        ("kill -9 of all shells of the job", True, "it was killed"),
    ],
)
def test_shells_of_a_local_job_are_killed(
    fault: str, everything: bool, says: str, make_project: MakeProject, sees: Watched
) -> None:
    project = make_project("3", scheduler="local", refine={"ngpu": 0})
    scratch = project.folder / "scratch"
    job = project.add_job("refine3d", **LONG, scratch_dir=scratch)
    session = int(submitted(project, job))
    wait_for_iterations(job)
    assert list(scratch.iterdir())

    began = time.time()
    if everything:
        subprocess.run(["pkill", "-KILL", "-s", str(session), "bash"], check=True)
    else:
        os.kill(session, signal.SIGKILL)

    sees(fault, project, job, since=began, end="Failed", says=says, scratch=scratch)


@pytest.mark.parametrize(
    ("fault", "first"), [("kill -9 of one rank", 2), ("kill -9 of all ranks", 0)]
)
def test_ranks_are_killed(fault: str, first: int, make_project: MakeProject, sees: Watched) -> None:
    """As the kernel kills a process when memory is used up."""
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    job, session = refining(project)
    ranks = processes_of(int(session), "relion_refine_mpi", "relion_refine_m")
    assert len(ranks) == 3

    began = time.time()
    subprocess.run(["kill", "-KILL", *map(str, ranks[first:])])  # mpirun kills the others as well

    says = "one of its processes was killed (signal 9)"
    sees(fault, project, job, since=began, end="Failed", says=says)


def test_a_program_eats_all_memory(bed: Bed, sees: Watched) -> None:
    """The limit is the program's own: the test clusters enforce none."""
    project = bed.project()
    program = project.folder / "greedy"
    eat = (
        "import time; print(time.time(), flush=True); [bytearray(1 << 20) for _ in range(1 << 20)]"
    )
    program.write_text(f'#!/bin/bash\nulimit -v 300000\nexec {sys.executable} -c "{eat}"\n')
    program.chmod(0o755)
    job = project.add_job("external", fn_exe=str(program))
    submitted(project, job)
    out = job / "run.out"
    wait_for(lambda: out.exists() and "\n1" in out.read_text(), 60, "the program's start")
    began = float(next(line for line in out.read_text().splitlines() if line[:1] == "1"))

    fault = "a program eats all memory that it may have (ulimit -v)"
    says = "because the job used up its memory"
    sees(fault, project, job, since=began, end="Failed", says=says)
