"""The container of a real job: what it sees of the node's disks and of the user's environment."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .jobs import REFINE
from .project import MakeProject, Project

# The job script is the same from wherever it was submitted.
pytestmark = pytest.mark.parametrize("form", ["python"])


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder that no container sees by itself: it is not in the project, the home or /tmp."""
    folder = Path(f"/run/lock/relion-dispatch-test-{secrets.token_hex(6)}")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def change_site(project: Project, **apptainer: object) -> None:
    """Change the site's "apptainer"."""
    path = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(path.read_text())
    content["apptainer"].update(apptainer)
    path.write_text(json.dumps(content))


def test_relion_copies_its_particles_to_a_disk_that_nobody_has_bound(
    disk: Path, make_project: MakeProject
) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    project.environment["DISK"] = str(disk)
    job = project.add_job("refine3d", **REFINE, scratch_dir="$DISK/a,b")

    project.run_job(job)

    project.assert_succeeded(job)
    said = (job / "run.out").read_text()
    assert re.search(rf"{disk}/a,b/relion-dispatch\.[0-9a-f]{{16}}/", said)
    assert list(disk.rglob("relion-dispatch.*")) == []


def test_a_scratch_folder_in_the_project_may_be_a_link_to_another_disk(
    disk: Path, make_project: MakeProject
) -> None:
    """Apptainer leaves out a folder whose path leads through a link to where it sees nothing."""
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    (project.folder / "scratch").symlink_to(disk)
    job = project.add_job("refine3d", **REFINE, scratch_dir=f"{project.folder}/scratch")

    project.run_job(job)

    project.assert_succeeded(job)
    assert "/scratch/relion-dispatch." in (job / "run.out").read_text()
    assert list(disk.iterdir()) == []


def test_a_scratch_folder_that_is_kept_has_relions_particles_afterwards(
    disk: Path, make_project: MakeProject
) -> None:
    project = make_project("5", scheduler="local", refine={"ngpu": 0})
    options = {**REFINE, "other_args": '"--auto_iter_max 1 --keep_scratch"'}
    job = project.add_job("refine3d", **options, scratch_dir=f"{disk}/kept")

    project.run_job(job)

    project.assert_succeeded(job)
    assert list((disk / "kept" / "relion_volatile").glob("*.mrcs"))


@pytest.mark.parametrize("scheduler", ["local", "slurm"])
def test_what_the_user_would_add_to_the_container_stops_no_job(
    scheduler: str, make_project: MakeProject
) -> None:
    """In Slurm on two nodes, where srun makes the environment."""
    types = {"nodes": 2, "ngpu": 1} if scheduler == "slurm" else {"ngpu": 0}
    project = make_project("3", scheduler=scheduler, refine=types)
    job = project.add_job("refine3d", **REFINE)
    project.environment |= {
        "APPTAINER_BINDPATH": "/apps/other_site",
        "SINGULARITY_BIND": "/apps/other_site",
        "APPTAINERENV_LD_PRELOAD": "libvglfaker.so",
        "APPTAINER_CONTAIN": "1",
        "LD_PRELOAD": "libdlfaker.so:libvglfaker.so",
    }

    project.run_job(job)

    project.assert_succeeded(job)
    said = (job / "run.err").read_text()
    assert "libdlfaker.so" in said  # to the programs before the container
    assert "FATAL" not in said


def test_a_variable_of_apptainers_that_the_site_lists_is_heeded(
    disk: Path, make_project: MakeProject
) -> None:
    project = make_project("5", scheduler="local")
    change_site(project, environment=["APPTAINER_BINDPATH"])
    shutil.move(project.folder / "reference.mrc", disk)
    (project.folder / "reference.mrc").symlink_to(disk / "reference.mrc")
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)
    project.environment["APPTAINER_BINDPATH"] = str(disk)

    project.run_job(job)

    project.assert_succeeded(job)


def test_a_folder_of_bind_that_a_node_lacks_is_left_out_and_others_are_not(
    disk: Path, make_project: MakeProject
) -> None:
    project = make_project("5", scheduler="local")
    change_site(project, bind=["/ssd_of_gpu_nodes", str(disk)])
    shutil.move(project.folder / "reference.mrc", disk)
    (project.folder / "reference.mrc").symlink_to(disk / "reference.mrc")
    job = project.add_job("maskcreate", fn_in="reference.mrc", inimask_threshold=0.2)

    project.run_job(job)

    project.assert_succeeded(job)
    said = (job / "run.err").read_text()
    assert "does not see /ssd_of_gpu_nodes, because this folder is not on" in said
    checked = project.relion_dispatch("check")
    assert "remark: " in checked.stdout
    assert "/ssd_of_gpu_nodes is not on this machine" in checked.stdout
