"""The dispatcher's own image, called directly and through the script around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..waiting import wait_for_end
from .project import COMMAND, MakeProject

APPLIANCE = os.environ.get("RELION_TEST_APPLIANCE", "")


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("form", ["appliance"])
def test_both_forms_and_the_bare_image_make_the_same_plan(make_project: MakeProject) -> None:
    project = make_project("5")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    arguments = ["plan", "--json", f"{job.parent.name}/{job.name}/run_submit.script"]
    options = {"cwd": project.folder, "env": project.environment}
    site = project.environment["RELION_DISPATCH_SITE"]
    apptainer = os.environ["RELION_TEST_APPTAINER"]

    inside = run(project.command, *arguments, **options)
    bare = run(apptainer, "run", f"--bind={site}", APPLIANCE, *arguments, **options)
    python = {**project.environment, "RELION_DISPATCH_PYTHON": sys.executable}
    outside = run(COMMAND, *arguments, cwd=project.folder, env=python)

    assert inside == bare == outside
    assert json.loads(inside)["job_type"]


@pytest.mark.parametrize("form", ["appliance"])
def test_the_sites_check_sees_the_host(make_project: MakeProject) -> None:
    project = make_project("5")

    checked = run(project.command, "check", env=project.environment)
    assert "Everything is in order." in checked.splitlines()
    site = Path(project.environment["RELION_DISPATCH_SITE"]) / "site.json"
    content = json.loads(site.read_text())
    content["apptainer"]["program"] = "/nowhere/apptainer"
    site.write_text(json.dumps(content))
    done = subprocess.run(
        [project.command, "check"], env=project.environment, capture_output=True, text=True
    )
    assert (done.returncode, "/nowhere/apptainer" in done.stdout) == (1, True), done.stdout


@pytest.mark.parametrize("form", ["appliance"])
def test_nothing_of_the_machine_that_built_it_is_in_the_image(make_project: MakeProject) -> None:
    apptainer = os.environ["RELION_TEST_APPTAINER"]

    left = run(
        apptainer, "exec", APPLIANCE, "sh", "-c", "ls /opt; ls /var/lib/apt/lists; pwd > /dev/null"
    )
    shown = run(apptainer, "inspect", "--all", APPLIANCE)

    assert "relion-dispatch-build" not in left
    assert "index-url" not in shown
    assert "relion-dispatch.version" in shown


@pytest.mark.parametrize("form", ["appliance"])
def test_a_submission_starts_one_container(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    starts, program = tmp_path / "starts", tmp_path / "apptainer"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {starts}\nexec {os.environ["RELION_TEST_APPTAINER"]} "$@"\n'
    )
    program.chmod(0o755)

    run(
        project.hook,
        f"{job.parent.name}/{job.name}/run_submit.script",
        cwd=project.folder,
        env=project.environment | {"RELION_DISPATCH_APPTAINER": str(program)},
    )

    wait_for_end(job, "SUCCESS", 60)
    (start,) = starts.read_text().splitlines()
    assert APPLIANCE in start and "dispatcher.hook" in start
