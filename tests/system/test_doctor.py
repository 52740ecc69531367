"""The doctor on a real Slurm and on this machine, with real images and real MPI.

There is no GPU: that nvidia-smi is missing is a fault that the doctor finds on each node.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dispatcher.doctor.kernels import Kernels, kernels_of_files

from .project import MakeProject, Project


def doctor(project: Project, *arguments: str) -> dict[str, Any]:
    """What the doctor says of the first place, by the checks' names; nothing stays behind."""
    before = sorted(project.folder.iterdir())
    done = subprocess.run(
        [project.command, "doctor", "--json", *arguments],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.stdout, done.stderr
    assert sorted(project.folder.iterdir()) == before
    place = json.loads(done.stdout)["places"][0]
    return {each["check"]: each for each in place["findings"]}


def change_site(project: Project, **keys: Any) -> None:
    path = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def jobs_in_queue(project: Project) -> str:
    command = ["squeue", "--me", "--noheader", "--format=%i %T %j"]
    queue = subprocess.run(command, env=project.environment, capture_output=True, text=True)
    return "\n".join(line for line in queue.stdout.splitlines() if "doctor" in line)


def test_a_partition_of_a_real_slurm(make_project: MakeProject) -> None:
    project = make_project("5")

    found = doctor(project, "--partition", "gpu", "--nodes", "2", "--scratch", "/tmp")

    for check in (
        *("start", "token", "clean job", "clock", "project", "locks", "links", "container"),
        *("image", "binds", "two ranks", "two nodes", "accounting", "watcher"),
    ):
        assert found[check]["status"] == "ok", found[check]
    assert "JobState=COMPLETED" in found["accounting"]["sentence"]
    assert "nvidia-smi" in found["GPUs"]["sentence"]
    assert not jobs_in_queue(project)


@pytest.mark.parametrize("form", ["python"], indirect=True)
def test_the_warning_before_the_time_limit(make_project: MakeProject) -> None:
    found = doctor(make_project("5"), "--partition", "gpu", "--long")["warning"]

    assert found["status"] == "ok", found
    assert found["sentence"].startswith("The signal USR1 came after ")


@pytest.mark.parametrize("form", ["python"], indirect=True)
def test_a_job_that_does_not_start_leaves_the_queue(make_project: MakeProject) -> None:
    project = make_project("5", submit={"scheduler_options": ["--begin=now+1hour"]})

    found = doctor(project, "--partition", "gpu", "--minutes", "0.2")

    assert (found["start"]["status"], "BeginTime" in found["start"]["sentence"]) == (
        "skipped",
        True,
    ), found
    assert not jobs_in_queue(project)


@pytest.mark.parametrize("form", ["python"], indirect=True)
@pytest.mark.parametrize(
    ("apptainer", "check", "said"),
    [
        ({"options": ["--bind=/nowhere:/nowhere"]}, "container", "/nowhere"),
        ({"options": ["--no-such-option"]}, "container", "no-such-option"),
        ({"program": "/nowhere/apptainer"}, "container", "/nowhere/apptainer"),
        ({"bind": ["/nowhere"]}, "binds", "/nowhere"),
    ],
)
def test_a_container_that_really_does_not_start(
    make_project: MakeProject, apptainer: dict[str, Any], check: str, said: str
) -> None:
    project = make_project("5", scheduler="local")
    program = {"program": os.environ["RELION_TEST_APPTAINER"]}
    change_site(project, apptainer={**program, **apptainer})

    found = doctor(project)[check]

    assert found["status"] == ("warning" if check == "binds" else "failure")
    assert said in found["sentence"]


@pytest.mark.parametrize("form", ["python"], indirect=True)
def test_a_real_mpirun_that_starts_one_rank(make_project: MakeProject) -> None:
    project = make_project("5", scheduler="local")
    change_site(project, mpi={"mpirun": ["sh", "-c", 'shift 2; exec "$@"', "sh"]})

    found = doctor(project)["two ranks"]

    assert (found["status"], "do not find each other" in found["sentence"]) == ("failure", True)


def test_the_kernels_of_a_real_image_with_cuda(tmp_path: Path) -> None:
    command = [os.environ["RELION_TEST_APPTAINER"], "--quiet", "exec", f"--bind={tmp_path}"]
    copy = ["sh", "-c", f'cp "$(command -v relion_refine)" {tmp_path}']
    subprocess.run([*command, os.environ["RELION_TEST_IMAGE_CUDA"], *copy], check=True)

    # Debian builds RELION 3.1.3 for the oldest cards that its CUDA knows, and for all later ones.
    assert kernels_of_files([tmp_path / "relion_refine"]) == Kernels(
        frozenset({35}), frozenset({35})
    )
