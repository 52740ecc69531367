"""Every command through the appliance: what it does on the host it does from inside the image.

``images build`` through it is in images/test_built.py, ``relion`` wherever a project is run.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..waiting import wait_for_end
from .project import MakeProject, Project

HEADER = 1024  # bytes of an MRC file

Command = Callable[..., str]

pytestmark = pytest.mark.parametrize("form", ["appliance"])


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """A project on a site whose catalogue is still empty."""
    project = make_project("5", scheduler="local")
    (Path(project.environment["RELION_DISPATCH_SITE"]) / "images.json").write_text("{}")
    return project


@pytest.fixture
def command(project: Project) -> Command:
    """``command("images", "list")``: what it prints; fails where the status is not `status`."""

    def run(*arguments: str | Path, status: int = 0, **more: str) -> str:
        done = subprocess.run(
            [project.command, *arguments],
            cwd=project.folder,
            env=project.environment | more,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_catalogue_is_kept(
    command: Command, images: dict[str, Path], versions: dict[str, str]
) -> None:
    command("images", "add", images["5"], "--default")
    command("images", "add", images["3"])
    command("images", "default", "relion", versions["3"])
    listed = json.loads(command("images", "list", "--json"))
    assert {each["version"] for each in listed} == set(versions.values())
    assert versions["3"] in command("images", "verify", "--all")
    command("images", "default", "relion", versions["5"])
    command("images", "remove", "relion", versions["3"])
    assert versions["3"] not in command("images", "list")

    # One image for CPUs alone is one problem, not one for each job type on GPUs.
    lines = command("check", status=1).splitlines()[1:]  # behind the site's folder
    (problem,) = (line for line in lines if not line.startswith("remark: "))
    assert "has no variant for NVIDIA GPUs" in problem


def test_a_job_is_planned_run_and_reproduced(
    command: Command, project: Project, images: dict[str, Path], versions: dict[str, str]
) -> None:
    command("images", "add", images["5"], "--default")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    name = f"{job.parent.name}/{job.name}"
    assert versions["5"] in command("plan", f"{name}/run_submit.script")

    command("submit", f"{name}/run_submit.script")
    wait_for_end(job, "SUCCESS", 60)

    assert versions["5"] in command("pin")
    command("pin", "--check")
    script, again = project.folder / "again.sh", project.folder / "again"
    command("reproduce", name, "--write", script, "--output", again)
    apptainer = Path(os.environ["RELION_TEST_APPTAINER"]).parent
    subprocess.run(
        ["bash", script],
        cwd=project.folder,
        env=os.environ | {"PATH": f"{apptainer}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
    )
    # The header holds the time.
    maps = [(folder / "mask.mrc").read_bytes() for folder in (job, again)]
    assert len(maps[0]) > HEADER and maps[0][HEADER:] == maps[1][HEADER:]


def test_a_site_is_exported_and_set_up(
    command: Command, images: dict[str, Path], tmp_path: Path
) -> None:
    command("images", "add", images["5"], "--default")
    file, elsewhere = tmp_path / "site.tar", tmp_path / "elsewhere"
    elsewhere.mkdir()

    command("site", "export", file)

    assert "missing" not in command("site", "compare", file)
    imported = command("site", "import", file, RELION_DISPATCH_SITE=str(elsewhere))
    assert f"wrote: {elsewhere}/site.json" in imported.splitlines()
    command("site", "compare", file, RELION_DISPATCH_SITE=str(elsewhere))


def test_what_it_prints_of_itself_holds_on_the_host(command: Command, project: Project) -> None:
    assert Path(command("template").strip()).name == "relion_template.sh"
    assert command("plan", "--help").startswith("Usage: relion-dispatch plan ")
    assert command("--version").strip()
    assert command("--help").startswith("Usage: relion-dispatch ")


def test_owners_have_the_names_that_the_host_gives_them(project: Project) -> None:
    """In the container root's folder seems to be nobody's."""
    done = subprocess.run(
        [project.command, "images", "default", "relion", "5.1.0"],
        cwd=project.folder,
        env=project.environment | {"RELION_DISPATCH_SITE": "/usr/local/share"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "you have no permission to write to the folder" in done.stderr
    assert "run this command as root, or name your own site" in done.stderr
