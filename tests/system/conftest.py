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
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .image_site import site_of_small_images, small_image, small_root  # noqa: F401  (fixtures)

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "deploy" / "relion-dispatch"
LABELS_3 = {"class2d": 8, "refine3d": 10, "maskcreate": 12}


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


@dataclass
class Project:
    """A RELION project, driven through RELION's own pipeliner in the project's image."""

    folder: Path
    major: str
    environment: dict[str, str]
    command: Path = COMMAND

    @property
    def hook(self) -> Path:
        """What RELION on the host would call."""
        return self.command.with_name("relion_dispatch.py")

    def relion(self, *command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run a RELION program in the project's image, its queue jobs dispatched on the host."""
        return subprocess.run(
            [self.command, "relion", *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def add_job(self, kind: str, **options: object) -> Path:
        """Add a job with ``do_queue Yes``; returns its folder."""
        values = {"do_queue": "Yes", "min_dedicated": 1, **options}
        lines = [f"{name} {value}" for name, value in values.items()]
        label = (
            f"_rlnJobType {LABELS_3[kind]}"
            if self.major == "3"
            else f"_rlnJobTypeLabel relion.{kind}\n_rlnJobIsTomo 0"
        )
        (self.folder / f"{kind}_job.star").write_text(
            f"\ndata_job\n\n{label}\n_rlnJobIsContinue 0\n\n"
            "data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n"
            + "\n".join(lines)
            + "\n"
        )
        before = set(self.folder.glob("*/job???"))
        added = self.relion("relion_pipeliner", "--addJobFromStar", f"{kind}_job.star")
        new = set(self.folder.glob("*/job???")) - before
        assert len(new) == 1, added.stdout + added.stderr
        return new.pop()

    def run_job(self, job: Path, timeout: float = 300) -> None:
        """Let RELION's pipeliner run the job and wait for its end, as its GUI would."""
        name = f"{job.parent.name}/{job.name}/"
        done = self.relion(
            "relion_pipeliner",
            "--RunJobs",
            name,
            "--schedule",
            f"test{job.name}",
            "--sec_wait_after",
            "1",
            timeout=timeout,
        )
        (job / "pipeliner.out").write_text(done.stdout + done.stderr)

    def status(self, job: Path) -> str:
        """The job's status in RELION's own pipeline."""
        pipeline = (self.folder / "default_pipeline.star").read_text()
        row = re.search(rf"^\s*{job.parent.name}/{job.name}/\s.*$", pipeline, re.MULTILINE)
        assert row, pipeline
        status = row[0].split()[3]
        return {"0": "Running", "2": "Succeeded", "3": "Failed", "4": "Aborted"}.get(status, status)

    def assert_succeeded(self, job: Path) -> None:
        """RELION itself says Succeeded; otherwise show what the user would look at."""
        texts = [
            f"==> {name} <==\n{(job / name).read_text()[-3000:]}"
            for name in ("run.out", "run.err", "pipeliner.out")
            if (job / name).exists()
        ]
        assert self.status(job) == "Succeeded", "\n".join(texts)

    def record(self, job: Path) -> dict[str, Any]:
        """The dispatcher's record of the job."""
        return dict(json.loads((job / "dispatch.json").read_text()))


MakeProject = Callable[..., Project]


@pytest.fixture(params=["python", "appliance"])
def form(request: pytest.FixtureRequest) -> str:
    """The dispatcher in a Python of this machine, or in its own image: RELION must not notice."""
    return str(request.param)


@pytest.fixture
def make_project(
    tmp_path: Path, particles: Path, images: dict[str, Path], versions: dict[str, str], form: str
) -> MakeProject:
    """Make a project pinned to a RELION version, on a site that sends jobs to `scheduler`."""
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
            **variables,
        }
        return Project(folder, major, environment, command)

    return make


def submit_directly(project: Project, job: Path) -> subprocess.CompletedProcess[str]:
    """Call the hook on the host, as a RELION outside any container would."""
    return subprocess.run(
        [project.hook, f"{job.parent.name}/{job.name}/run_submit.script"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until `condition` holds; fail naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)
