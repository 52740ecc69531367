"""Jobs that are killed, whole or in part: RELION is told, and nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ...waiting import processes_of, wait_for
from ..hook_calls import (
    change_scheduler,
    in_queue,
    processes_in_slurm,
    refining,
    sleeping,
    submitted,
)
from ..jobs import LONG, mask_job, wait_for_iterations
from ..project import MakeProject
from .conftest import Watched

# Slurm


def test_a_waiting_job_is_cancelled(make_project: MakeProject, sees: Watched) -> None:
    """Nobody looks: it is the watcher that tells."""
    project = make_project("5")
    change_scheduler(project, submit_command=["sbatch", "--parsable", "--hold"])
    job = mask_job(project)
    number = submitted(project, job)

    began = time.time()
    subprocess.run(["scancel", str(number)], check=True)

    says = "it was cancelled in the queue: submit the job again"
    sees("scancel of a waiting job", project, job, since=began, end="Failed", says=says)


def test_a_running_job_is_cancelled(make_project: MakeProject, sees: Watched) -> None:
    project = make_project("5")
    job, number = refining(project)
    watcher = project.record(job)["watcher"]["job_id"]
    assert in_queue(watcher)

    began = time.time()
    subprocess.run(["scancel", str(number)], check=True)

    says = "because it was cancelled in the scheduler"
    sees("scancel of a running job", project, job, since=began, end="Failed", says=says)
    wait_for(lambda: not in_queue(watcher), 10, "the end of the watcher")


@pytest.mark.parametrize(
    ("fault", "how_many", "says"),
    [
        ("kill -9 of the batch shell, Slurm", 1, "its job script was killed"),
        ("kill -9 of the whole job, Slurm", None, "it was killed (signal KILL)"),
    ],
)
def test_a_slurm_job_is_killed(
    fault: str, how_many: int | None, says: str, make_project: MakeProject, sees: Watched
) -> None:
    """The whole is more than shells: the test cluster's Slurm loses sight of orphans."""
    project = make_project("5")
    job, number = sleeping(project)
    processes = processes_in_slurm(number)
    assert len(processes) > 3

    began = time.time()
    subprocess.run(["kill", "-KILL", *map(str, processes[:how_many])])  # a pause may be over

    sees(fault, project, job, since=began, end="Failed", says=says)


# This machine alone


@pytest.mark.parametrize(
    ("fault", "everything", "says"),
    [
        ("kill -9 of the batch shell, local", False, "its job script was killed"),
        ("kill -9 of all shells of the job, local", True, "it was killed"),
    ],
)
def test_shells_of_a_local_job_are_killed(
    fault: str, everything: bool, says: str, make_project: MakeProject, sees: Watched
) -> None:
    project = make_project("3", scheduler="local", refine={"ngpu": 0})
    scratch = project.folder / "scratch"
    job = project.add_job("refine3d", **LONG, scratch_dir=scratch)
    session = submitted(project, job)
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
    ranks = processes_of(session, "relion_refine_mpi", "relion_refine_m")
    assert len(ranks) == 3

    began = time.time()
    subprocess.run(["kill", "-KILL", *map(str, ranks[first:])])  # mpirun kills the others as well

    says = "one of its processes was killed (signal 9)"
    sees(fault, project, job, since=began, end="Failed", says=says)


def test_a_program_eats_all_memory(make_project: MakeProject, sees: Watched) -> None:
    """The limit is the program's own: the test cluster enforces none."""
    project = make_project("5")
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
