"""A real Slurm whose commands a workstation reaches through a real sshd only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..fixture_types import LoginNode
from ..ssh_server import SshServer
from ..waiting import wait_for
from .hook_calls import change_scheduler, dispatch, in_queue, job_id, run_in_background
from .project import COMMAND, MakeProject, Project


@pytest.fixture
def server(login_node: LoginNode) -> SshServer:
    """A login node of the cluster, where the user's shell has settings of its own."""
    return login_node(SLURM_CONF=os.environ["SLURM_CONF"], SBATCH_PARTITION="nowhere")


def workstation(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a machine that knows nothing of the cluster."""
    runtime = {"RELION_DISPATCH_RUNTIME": os.environ["RELION_DISPATCH_RUNTIME"]}
    return {**environment, **runtime, "SLURM_CONF": "/nowhere/slurm.conf"}


def row_of(project: Project) -> dict[str, Any]:
    (row,) = json.loads(dispatch(project, "status", "--json"))
    return dict(row)


@pytest.mark.parametrize("form", ["python", "appliance"])
def test_a_job_from_the_queue_to_its_end(
    form: str, make_project: MakeProject, server: SshServer
) -> None:
    project = make_project("5")
    project.environment.update(workstation(project.environment))
    held = ["sbatch", "--parsable", "--hold"]
    change_scheduler(project, through=server.through, submit_command=held)
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)
    pipeliner = run_in_background(project, job)
    number = job_id(project, job)
    wait_for(lambda: project.record(job).get("watcher"), 30, "the watcher")
    watcher = project.record(job)["watcher"]["job_id"]
    assert in_queue(number)
    assert in_queue(watcher)
    assert row_of(project)["state"] == "PENDING"

    server.stop()

    assert row_of(project)["relion"] == "Running"
    assert not list(job.glob("RELION_JOB_EXIT_*"))

    server.start()

    assert row_of(project)["state"] == "PENDING"
    subprocess.run(["scontrol", "release", number], check=True)
    assert pipeliner.wait(60) == 0
    assert project.status(job) == "Succeeded", (job / "run.err").read_text()
    wait_for(lambda: not in_queue(watcher), 20, "the end of the watcher")


def test_check_tries_the_jobs_there(server: SshServer, tmp_path: Path) -> None:
    site = {
        "scheduler": "slurm",
        "schedulers": {"slurm": {"through": server.through}},
        "partitions": {"gpu": {"cores": 32, "gpus": 8, "gpu_memory": "24G"}},
        "job_parameters": {"submit": {"partition": "gpu"}},
    }
    (tmp_path / "site.json").write_text(json.dumps(site))
    variables = {"RELION_DISPATCH_SITE": str(tmp_path), "RELION_DISPATCH_PYTHON": sys.executable}

    done = subprocess.run(
        [COMMAND, "check"],
        cwd=tmp_path,
        env=workstation({**os.environ, **variables}),
        capture_output=True,
        text=True,
        timeout=240,
    )

    (problem,) = (line for line in done.stdout.splitlines() if "cheduler" in line)
    assert 'key "partitions.gpu": the scheduler "slurm" gives no job a whole node' in problem
    assert "because of `--gres=gpu:8`." in problem
