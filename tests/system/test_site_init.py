"""``relion-dispatch site init`` asks real schedulers, and RELION's jobs run on the new site."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from .hook_calls import PYTHON
from .jobs import REFINE, mask_job
from .large_slurm import large_slurm
from .project import MakeProject, Project

OF_GRID_ENGINE = ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_EXECD_PORT")


def at_first_day(project: Project, images: Path) -> Project:
    """The project with no site at all, on a machine with Apptainer, and a folder with an image."""
    programs = project.folder.parent / "programs"
    programs.mkdir()
    (programs / "apptainer").symlink_to(os.environ["RELION_TEST_APPTAINER"])
    store = project.folder.parent / "store"
    store.mkdir()
    (store / "relion.sif").symlink_to(images)
    project.environment["RELION_DISPATCH_SITE"] = str(project.folder.parent / "new" / "site")
    project.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    return project


def site_of(project: Project) -> dict[str, Any]:
    path = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    return dict(json.loads(path.read_text()))


def init(project: Project, *arguments: str) -> str:
    done = project.relion_dispatch(
        "site", "init", project.environment["RELION_DISPATCH_SITE"], *arguments
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("scheduler", ["slurm", "gridengine"])
def test_a_job_runs_on_the_new_site(
    scheduler: str, make_project: MakeProject, images: dict[str, Path]
) -> None:
    """Nothing is written by hand between `site init` and the job."""
    project = at_first_day(make_project("5", scheduler=scheduler), images["5"])
    store = str(project.folder.parent / "store")

    said = init(project, "--scheduler", scheduler, "--images", store)

    assert "image: relion 5.1.0 (cpu) (the default)" in said
    assert "not known: " in said
    site = site_of(project)
    assert {name: each["gpus"] for name, each in site["partitions"].items()} in (
        {"gpu": 4, "cpu": 4},
        {"gpu.q": 4, "cpu.q": 4},
    )
    checked = project.relion_dispatch("check")
    # Only an image for GPUs is missing: there is none for the pretended ones.
    others = [line for line in checked.stdout.splitlines() + checked.stderr.splitlines()
              if "image" not in line and "site's folder" not in line]  # fmt: skip
    assert not [line for line in others if scheduler in line or "site.json" in line], others
    job = mask_job(project)
    project.run_job(job)
    project.assert_succeeded(job)
    assert project.record(job)["scheduler"] == scheduler


@PYTHON
def test_grid_engines_names_are_found(make_project: MakeProject, images: dict[str, Path]) -> None:
    project = at_first_day(make_project("5"), images["5"])

    init(project, "--scheduler", "gridengine")

    found = site_of(project)["schedulers"]["gridengine"]
    assert {key: found["names"][key] for key in ("parallel_environment", "gpus", "memory")} == {
        "parallel_environment": "smp",
        "gpus": "gpu",
        "memory": "ram",
    }
    assert found["memory_per"] == "core"
    partition = site_of(project)["partitions"]["gpu.q"]
    assert (partition["cores"], partition["memory"], partition["gpus"]) == (32, "250G", 4)


@PYTHON
def test_if_two_schedulers_answer_one_must_be_named(
    make_project: MakeProject, images: dict[str, Path]
) -> None:
    project = at_first_day(make_project("5"), images["5"])

    done = project.relion_dispatch("site", "init", project.environment["RELION_DISPATCH_SITE"])

    assert done.returncode == 1
    assert "These schedulers answer here: gridengine, slurm." in done.stderr


@PYTHON
def test_a_large_cluster_becomes_a_site_that_plans(
    make_project: MakeProject, images: dict[str, Path]
) -> None:
    """1550 nodes of four shapes, told by a real controller; a refinement is planned."""
    project = make_project("5")
    refine = project.add_job("refine3d", **REFINE)
    catalogue = Path(project.environment["RELION_DISPATCH_SITE"]) / "images.json"
    project = at_first_day(project, images["5"])
    for name in OF_GRID_ENGINE:
        project.environment.pop(name, None)
    with large_slurm() as configuration:
        project.environment["SLURM_CONF"] = str(configuration)

        said = init(project)

    assert "asked: Slurm " in said
    site = site_of(project)
    v100 = {"cores": 40, "memory": "375G", "gpus": 8, "gpu_memory": "16160M", "gpu_type": "v100"}
    a100 = {"cores": 64, "memory": "1023000M", "gpus": 4, "gpu_memory": "81920M"}
    partitions = site["partitions"]
    assert partitions["gpu"]["nodes"] == [v100, {**a100, "gpu_type": "nvidia_a100-sxm4-80gb"}]
    assert partitions["gpu"]["time"] == "2-00:00:00"
    assert partitions["cryo-em"]["takes"] == {"groups": ["root"]}
    assert partitions["old.gpu"]["gpu_memory"] == "12193M"
    assert (partitions["batch"]["cores"], partitions["batch"]["gpus"]) == (128, 0)
    assert "it is hidden" in " ".join(partitions["everything"]["__comment__"])
    types = site["job_parameters"]
    assert types["submit"]["partitions"] == ["batch"]
    assert types["gpu"]["partitions"] == ["old.gpu", "gpu", "cryo-em"]
    shutil.copy(catalogue, project.environment["RELION_DISPATCH_SITE"])  # one for pretended GPUs
    plan = project.relion_dispatch("plan", "--json", f"{refine}/run_submit.script")
    assert json.loads(plan.stdout)["job_parameters"]["partition"] in types["gpu"]["partitions"]
