"""NVIDIA's real control daemon around real refinements; only the GPU itself is missing here.

So no server starts behind the daemon, and the ranks do not use it; that it is there for them while
they run, and nowhere afterwards, is what is seen here.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from ...waiting import wait_for, wait_for_end
from ..hook_calls import submit_directly
from ..jobs import REFINE
from .conftest import MakeMpsProject
from .daemons import DAEMON, daemons, mps_folder
from .stand_in_job import add_stand_in_job

# How the hook itself runs makes no difference on the node.
pytestmark = pytest.mark.parametrize("form", ["python"])


def test_ranks_that_share_a_gpu_run_with_mps(mps_project: MakeMpsProject) -> None:
    project = mps_project()
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    assert project.record(job)["mps"] is True
    assert "run without MPS" not in (job / "run.err").read_text()
    assert not list(job.glob("mps_log*"))


def test_a_neighbour_on_the_node_keeps_its_daemon(mps_project: MakeMpsProject) -> None:
    project = mps_project(scheduler="interactive")
    waits = f"until [ -e '{project.folder}/go' ]; do sleep 0.1; done"
    jobs = [add_stand_in_job(project, waits) for _ in range(2)]
    submit_directly(project, jobs[0])
    wait_for(lambda: daemons(project.folder), 20, "the daemon's start")
    (own,) = daemons(project.folder)
    done = submit_directly(project, jobs[1])
    assert done.returncode == 0, done.stderr
    wait_for(lambda: len(daemons(project.folder)) == 2, 8, f"{jobs[1].name}'s daemon's start")

    os.killpg(int(project.record(jobs[1])["job_id"]), signal.SIGTERM)

    wait_for(lambda: daemons(project.folder) == {own}, 10, "the second daemon's end")
    asked = subprocess.run(
        [f"{os.environ['RELION_TEST_MPS']}/{DAEMON}"],
        input="get_server_list\n",
        text=True,
        env={"CUDA_MPS_PIPE_DIRECTORY": f"{mps_folder(own)}/pipe"},
    )
    assert asked.returncode == 0
    (project.folder / "go").touch()
    wait_for_end(jobs[0], "SUCCESS", 20)


def test_a_daemon_that_cannot_start_is_said_and_the_job_runs(
    mps_project: MakeMpsProject, tmp_path: Path
) -> None:
    """The real daemon, sent to a pipe folder that cannot be."""
    project = mps_project()
    program = tmp_path / "bin" / DAEMON
    program.parent.mkdir()
    real = f"{os.environ['RELION_TEST_MPS']}/{DAEMON}"
    program.write_text(f'#!/bin/bash\nCUDA_MPS_PIPE_DIRECTORY=/proc/nowhere exec {real} "$@"\n')
    program.chmod(0o755)
    project.environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    job = project.add_job("refine3d", **REFINE)

    project.run_job(job)

    project.assert_succeeded(job)
    said = (job / "run.err").read_text()
    assert "run without MPS" in said
    assert "Cannot access CUDA_MPS_PIPE_DIRECTORY=/proc/nowhere" in said


def test_a_missing_daemon_is_said_and_the_job_runs(mps_project: MakeMpsProject) -> None:
    project = mps_project()
    job = add_stand_in_job(project)
    project.environment["PATH"] = os.environ["PATH"]

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 20)
    assert f"the program {DAEMON} is missing" in (job / "run.err").read_text()


def test_twenty_jobs_in_a_row_leave_nothing(mps_project: MakeMpsProject) -> None:
    project = mps_project()
    first = add_stand_in_job(project, 'env | grep "^APPTAINERENV_CUDA_MPS_PIPE_DIRECTORY="')
    jobs = [first]
    for number in range(101, 120):
        job = first.with_name(f"job{number}")
        job.mkdir()
        for file in ("run_submit.script", "job.star"):
            text = (first / file).read_text()
            (job / file).write_text(text.replace(first.name, job.name))
        jobs.append(job)

    for job in jobs:
        assert submit_directly(project, job).returncode == 0

    for job in jobs:
        wait_for_end(job, "SUCCESS", 60)
    used = {re.findall("PIPE_DIRECTORY=(.*)", (job / "run.out").read_text())[0] for job in jobs}
    assert len(used) == 20


def test_each_of_two_nodes_has_a_daemon_and_as_many_followers(
    mps_project: MakeMpsProject,
) -> None:
    # Open MPI 6, in the 5.1.0 image, finds no route between two nodes that share an address.
    project = mps_project(scheduler="slurm", major="3", refine={"nodes": 2, "nproc": 5})
    job = project.add_job("refine3d", **REFINE)
    most = 0

    def ended() -> bool:
        nonlocal most
        most = max(most, len(daemons(project.folder)))
        return any(job.glob("RELION_JOB_EXIT_*"))

    assert submit_directly(project, job).returncode == 0
    wait_for(ended, 120, "the end of the job")

    output = (job / "run.out").read_text()
    assert (job / "RELION_JOB_EXIT_SUCCESS").exists(), output + (job / "run.err").read_text()
    assert project.record(job)["mps"] is True
    assert most == 2
    assert "run without MPS" not in (job / "run.err").read_text()
    hosts = re.findall(r"(?:Slave|Follower)\s+\d+ runs on host\s*=\s*(\S+)", output)
    assert sorted(hosts) == ["gpu1", "gpu1", "gpu2", "gpu2"], output[:3000]
    nodes = Path(os.environ["SLURM_CONF"]).parent / "nodes"
    wait_for(lambda: not list(nodes.glob("*/tmp/relion-mps.*")), 15, "the folders' end")
    assert not list(job.glob("mps_log*"))
