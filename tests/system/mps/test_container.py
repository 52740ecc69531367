"""The real daemon and the ranks' container, with a site's own options of Apptainer."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from ...waiting import wait_for_end
from ..hook_calls import submit_directly
from ..jobs import REFINE
from ..project import Project
from .conftest import MakeMpsProject

# How the hook itself runs makes no difference on the node.
pytestmark = pytest.mark.parametrize("form", ["python"])


def watch_the_container(project: Project, *options: str) -> Path:
    """Let the site have these options of Apptainer; returns where a look from inside is written.

    A script in Apptainer's place starts the real one: first a look, then the ranks.
    """
    looked = project.folder / "looked"
    program = project.folder / "apptainer"
    program.write_text(
        f"""#!/bin/bash
real={os.environ["RELION_TEST_APPTAINER"]}
words=()
for each in "$@"; do
    [ "$each" != mpirun ] || break
    words+=("$each")
done
if [ "${{#words[@]}}" -lt $# ]; then
    $real "${{words[@]}}" sh -c '
        [ ! -S "$CUDA_MPS_PIPE_DIRECTORY/control" ] || echo pipe
        echo "$CUDA_DEVICE_ORDER"
    ' > "{looked}"
fi
exec $real "$@"
"""
    )
    program.chmod(0o755)
    site = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(site.read_text())
    content["apptainer"] = {"program": str(program), "options": list(options)}
    site.write_text(json.dumps(content))
    return looked


@pytest.mark.parametrize("options", [(), ("--no-mount=tmp", "--scratch=/tmp"), ("--pid",)])
def test_the_container_sees_the_daemon_also_without_the_hosts_tmp(
    options: tuple[str, ...], mps_project: MakeMpsProject
) -> None:
    project = mps_project()
    job = project.add_job("refine3d", **REFINE)
    looked = watch_the_container(project, *options)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 120)
    assert "run without MPS" not in (job / "run.err").read_text()
    assert looked.read_text().split() == ["pipe", "PCI_BUS_ID"]


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--ipc", "the container has its own IPC: take --ipc"),
        ("--contain", "the container does not have the /dev/shm of its node: take --contain"),
    ],
)
def test_a_container_that_does_not_share_the_hosts_memory_goes_without_mps(
    option: str, says: str, mps_project: MakeMpsProject
) -> None:
    project = mps_project()
    job = project.add_job("refine3d", **REFINE)
    looked = watch_the_container(project, option)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 120)
    said = (job / "run.err").read_text()
    assert says in said
    assert "run without MPS" in said
    assert looked.read_text().split() == ["PCI_BUS_ID"]


def test_ranks_in_a_container_run_on_the_one_gpu_that_is_listed(
    mps_project: MakeMpsProject,
) -> None:
    """Two GPUs are planned. There is none: the list of a scheduler is simulated."""
    project = mps_project(refine={"ngpu": 2, "nproc": 5})
    project.environment["CUDA_VISIBLE_DEVICES"] = "3"
    job = project.add_job("refine3d", **REFINE)

    submit_directly(project, job)

    wait_for_end(job, "SUCCESS", 120)
    output = (job / "run.out").read_text()
    assert "with 3 instead of 5 ranks, on 1 instead of 2 GPUs: its node " in output
    assert len(re.findall(r"Follower\s+\d+\s+runs on host", output)) == 2, output[:3000]
