"""Real RELION projects, dispatched by the real hook to a real Slurm or this machine.

``tests/run.sh`` sets the stage: Apptainer, two RELION images and a two-node Slurm.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from .project import COMMAND, ROOT, MakeProject, Project

# Their tests take nodes away from all other jobs of the cluster "preempting".
ON_PREEMPTING_SLURM = ("goes_on/test_slurm.py", "goes_on/test_queued_ahead.py")


class _OneByOne(LoadFileScheduling):
    """A process takes whole files, and one process those that would disturb each other."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "preempting Slurm" if file.endswith(ON_PREEMPTING_SLURM) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _OneByOne:
    """For what `tests/run.sh` runs in two processes at a time."""
    return _OneByOne(config, log)


@pytest.fixture(scope="session")
def images() -> dict[str, Path]:
    """RELION's images by major version."""
    return {major: Path(os.environ[f"RELION_TEST_IMAGE_{major}"]) for major in ("3", "5")}


@pytest.fixture(scope="session")
def versions(images: dict[str, Path]) -> dict[str, str]:
    """The full versions of these images, from their file names (relion-5.1.0-cpu-….sif)."""
    found = {}
    for major, path in images.items():
        name = re.match(r"relion-([0-9.]+)-", path.name)
        assert name, path
        found[major] = name[1]
    return found


@pytest.fixture(scope="session")
def particles(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a particle set that RELION projected from a few blobs."""
    folder = tmp_path_factory.mktemp("particles")
    subprocess.run(
        [
            sys.executable,
            ROOT / "deploy" / "demo_particles.py",
            folder,
            images["5"],
            "--particles",
            "120",
        ],
        check=True,
    )
    return folder


@pytest.fixture(params=["python", "appliance"])
def form(request: pytest.FixtureRequest) -> str:
    """The dispatcher in a Python of this machine, or in its own image: RELION must not notice."""
    return str(request.param)


@pytest.fixture
def make_project(
    tmp_path: Path, particles: Path, images: dict[str, Path], versions: dict[str, str], form: str
) -> MakeProject:
    """Make a project pinned to a RELION version, on a site that sends jobs to `scheduler`.

    All projects of a test take turns with their `local` jobs, and with those of no other test.
    """
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    command = COMMAND
    variables = {"RELION_DISPATCH_PYTHON": sys.executable}
    if form == "appliance":
        command = tmp_path / "appliance" / "bin" / "relion-dispatch"
        command.parent.mkdir(parents=True)
        for name in ("relion-dispatch", "relion_dispatch.py"):
            command.with_name(name).symlink_to(ROOT / "deploy" / "appliance.sh")
        variables = {
            "RELION_DISPATCH_PYTHON": "/nowhere",
            "RELION_DISPATCH_APPLIANCE": os.environ["RELION_TEST_APPLIANCE"],
            "RELION_DISPATCH_APPTAINER": os.environ["RELION_TEST_APPTAINER"],
        }

    def make(major: str, scheduler: str = "slurm", name: str = "project", **types: Any) -> Project:
        site = tmp_path / f"{name}-site"
        site.mkdir()
        # The images have no CUDA: listed as GPU builds, they stand in for ones that do, so that
        # GPU job types take their own way through. RELION then ignores --gpu with a warning.
        builds = {
            versions[m]: [
                {"variant": "stand-in for cuda", "path": str(path), "gpu": "nvidia"},
                {"variant": "cpu", "path": str(path)},
            ]
            for m, path in images.items()
        }
        (site / "images.json").write_text(
            json.dumps({"relion": {"default": versions["5"], "versions": builds}})
        )
        small = {"nproc": 3, "nthread": 1, "mem": "2G", "time": None}
        (site / "site.json").write_text(
            json.dumps(
                {
                    "scheduler": scheduler,
                    "apptainer": {"program": os.environ["RELION_TEST_APPTAINER"]},
                    "partitions": {"gpu": {"cores": 32, "gpus": 4, "gpu_memory": "32G"}},
                    "job_parameters": {
                        "submit": {"partition": "gpu", "nthread": 1, "mem": "2G"},
                        "gpu": small | {"ngpu": 2},
                        **types,
                    },
                }
            )
        )
        folder = tmp_path / name
        folder.mkdir()
        for file in ("reference.mrc", "particles.mrcs", "particles.star"):
            shutil.copy(particles / file, folder)
        (folder / "default_pipeline.star").write_text(
            "\n# version 30001\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter 1\n\n"
        )
        (folder / ".relion_dispatch.json").write_text(
            json.dumps({"images": {"relion": {"version": versions[major]}}})
        )
        environment = {
            **os.environ,
            "RELION_DISPATCH_SITE": str(site),
            "RELION_DISPATCH_RUNTIME": str(runtime),
            **variables,
        }
        return Project(folder, major, environment, command, scheduler)

    return make
