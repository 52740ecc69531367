"""The scratch folder of a job: its own, and gone with it."""

from __future__ import annotations

import re
import secrets
import subprocess
from pathlib import Path

import pytest

from ..waiting import wait_for
from .jobs import REFINE
from .project import MakeProject

# The job script is the same from wherever it was submitted.
pytestmark = pytest.mark.parametrize("form", ["python"])

LIVING, DEAD = "relion-dispatch.000000000001", "relion-dispatch.000000000002"


def on_nodes(*command: str) -> list[str]:
    """Run one of Slurm's commands; the words that it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/tmp")
    return done.stdout.split()


@pytest.mark.parametrize("scheduler", ["local", "slurm"])
def test_particles_are_copied_to_a_scratch_folder_of_the_job(
    scheduler: str, make_project: MakeProject
) -> None:
    """In Slurm on two nodes, whose /tmp are their own."""
    types = {"nodes": 2, "ngpu": 1} if scheduler == "slurm" else {"ngpu": 0}
    project = make_project("3", scheduler=scheduler, refine=types)
    scratch = f"/tmp/relion-dispatch-test-{secrets.token_hex(6)}"
    job = project.add_job("refine3d", **REFINE, scratch_dir=scratch)
    sleeper = ""
    if scheduler == "slurm":  # folders of a job that runs, and of one that Slurm does not know
        sleeper = on_nodes("sbatch", "--parsable", "--wrap=sleep 300", "--output=/dev/null")[0]
        for name, number in ((LIVING, sleeper), (DEAD, "999999")):
            owner = f"gpu1 1 1 {number} $SLURM_CLUSTER_NAME"
            make = f"mkdir -p {scratch}/{name} && echo {owner} > {scratch}/{name}/owner"
            on_nodes("srun", "--nodes=2", "--ntasks-per-node=1", "sh", "-c", make)

    try:
        project.run_job(job)
    finally:
        if sleeper:
            on_nodes("scancel", sleeper)

    project.assert_succeeded(job)
    said = (job / "run.out").read_text()
    assert re.search(rf"{scratch}/relion-dispatch\.[0-9a-f]{{16}}/", said)
    if scheduler == "slurm":
        look = ("srun", "--nodes=2", "--ntasks-per-node=1", "ls", "-A", scratch)
        # RELION is told first, and the folders are removed then.
        wait_for(lambda: on_nodes(*look) == [LIVING, LIVING], 30, "the end of the job's folders")
    else:
        Path(scratch).rmdir()  # an error if anything of the job is left in it
