"""A job, its keeper or its daemon is killed: nothing stays, and the next job is in order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ...waiting import processes_of, wait_for, wait_for_end
from ..hook_calls import submit_directly
from ..jobs import LONG
from ..project import Project
from .conftest import MakeMpsProject
from .daemons import daemons, keeper_of, mps_folder
from .stand_in_job import add_stand_in_job

# How the hook itself runs makes no difference on the node.
pytestmark = pytest.mark.parametrize("form", ["python"])


def start(project: Project, **options: object) -> tuple[Path, int]:
    """Start a refinement; returns its folder and its session once it runs with a daemon."""
    job = project.add_job("refine3d", **{**LONG, **options})
    done = submit_directly(project, job)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: daemons(project.folder), 20, "the daemon's start")
    wait_for(lambda: "Expectation" in (job / "run.out").read_text(), 90, "the first iteration")
    return job, int(project.record(job)["job_id"])


def kill_mpirun(session: int) -> None:
    (mpirun,) = processes_of(session, "prterun", "mpirun")
    os.kill(mpirun, signal.SIGKILL)


def kill_rank(session: int) -> None:
    os.kill(processes_of(session, "relion_refine_m")[-1], signal.SIGKILL)


def kill_keeper(session: int) -> None:
    os.kill(keeper_of(session), signal.SIGKILL)
    os.killpg(session, signal.SIGTERM)


def stop_job(session: int) -> None:
    os.killpg(session, signal.SIGTERM)


@pytest.mark.parametrize("fault", [kill_mpirun, kill_rank, kill_keeper, stop_job])
def test_a_job_that_is_hit_leaves_no_daemon(
    fault: Callable[[int], None], mps_project: MakeMpsProject
) -> None:
    project = mps_project()
    job, session = start(project)
    assert daemons(project.folder)

    fault(session)

    wait_for_end(job, "FAILURE", 30)
    wait_for(lambda: not processes_of(session), 30, "the end of all its processes")
    wait_for(lambda: list(job.glob("mps_log_*/daemon.log")), 5, "the daemon's log")


def test_a_daemon_that_is_killed_is_missed(mps_project: MakeMpsProject) -> None:
    """Without a server behind it, the ranks do not notice, and the job succeeds."""
    project = mps_project()
    job = add_stand_in_job(project, "touch ranks; until [ -e go ]; do sleep 0.1; done")
    submit_directly(project, job)
    wait_for((project.folder / "ranks").exists, 20, "the ranks' start")

    (daemon,) = daemons(project.folder)
    os.kill(daemon, signal.SIGKILL)
    (project.folder / "go").touch()

    wait_for_end(job, "SUCCESS", 20)
    assert re.search("MPS on .* ended before the job", (job / "run.err").read_text())
    assert list(job.glob("mps_log_*/daemon.log"))


def test_the_daemon_goes_with_a_job_script_that_is_killed(
    mps_project: MakeMpsProject,
) -> None:
    project = mps_project()
    job, session = start(project)

    os.kill(session, signal.SIGKILL)

    try:
        wait_for(lambda: not daemons(project.folder), 5, "the daemon's end")
        wait_for(lambda: list(job.glob("mps_log_*/daemon.log")), 5, "the daemon's log")
    finally:
        subprocess.run(["pkill", "-KILL", "-s", str(session)])


def test_what_a_dead_job_left_is_cleared_away_by_the_next(
    mps_project: MakeMpsProject,
) -> None:
    """The job script and its keeper are killed together, so that nobody of the job cleans up."""
    project = mps_project()
    dead = add_stand_in_job(project, "sleep 30")
    submit_directly(project, dead)
    wait_for(lambda: daemons(project.folder), 20, "the daemon's start")
    (daemon,) = daemons(project.folder)
    folder = mps_folder(daemon)
    session = int(project.record(dead)["job_id"])
    wait_for(lambda: processes_of(session, "sleep"), 10, "the job's start")
    keeper = keeper_of(session)
    owners = (folder / "owners").rename(folder / "aside")  # jobs of other tests clear away, too
    os.kill(keeper, signal.SIGSTOP)
    everything = {session, keeper, *processes_of(session)}
    subprocess.run(["kill", "-KILL", *map(str, everything)])  # some may be gone already
    wait_for(lambda: not processes_of(session), 5, "the job's death")
    assert daemon in daemons(project.folder)
    owners.rename(folder / "owners")
    job = add_stand_in_job(project)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 20)
    assert daemon not in daemons(project.folder)
    assert not folder.exists()
