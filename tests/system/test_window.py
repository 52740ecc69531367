"""RELION's window, from its real image: its user clicks on Run! and sees how the job stands.

What was seen is kept in the folder RELION_TEST_SCREENSHOTS.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from .hook_calls import PYTHON
from .jobs import REFINE
from .project import MakeProject, Project
from .relion_window import FINISHED, OUTPUT, RUNNING, a_window

pytestmark = PYTHON

RED = (255, 0, 0)
SCREENSHOTS = Path(os.environ.get("RELION_TEST_SCREENSHOTS", "screenshots")).absolute()


@pytest.fixture
def project(make_project: MakeProject, versions: dict[str, str]) -> Project:
    """A project of RELION 5 whose image has the window."""
    project = make_project("5", external={"abort_grace": 1})
    catalogue = Path(project.environment["RELION_DISPATCH_SITE"]) / "images.json"
    content = json.loads(catalogue.read_text())
    content["relion"]["versions"][versions["5"]].insert(
        0, {"variant": "cpu-gui", "path": os.environ["RELION_TEST_IMAGE_GUI"]}
    )
    catalogue.write_text(json.dumps(content))
    return project


def remember(project: Project, hidden_name: str, label: str, **options: object) -> None:
    """Have the window remember the fields of a type of job, as after an earlier one."""
    values = {"do_queue": "Yes", "min_dedicated": 1, **options}
    rows = "".join(f"{name} {value}\n" for name, value in values.items())
    (project.folder / f".gui_{hidden_name}job.star").write_text(
        f"\ndata_job\n\n_rlnJobTypeLabel {label}\n_rlnJobIsContinue 0\n_rlnJobIsTomo 0\n\n"
        f"data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n{rows}"
    )


def remember_program(project: Project, body: str) -> None:
    """The same for an External job of a program on the host."""
    program = project.folder / "program"
    program.write_text(f"#!/bin/bash\n{body}\n")
    program.chmod(0o755)
    remember(project, "external", "relion.external", fn_exe="./program")


def last_line(errfile: Path) -> str:
    lines = errfile.read_text().splitlines() if errfile.exists() else []
    return lines[-1] if lines else ""


def test_a_job_that_succeeds_is_among_the_finished(project: Project) -> None:
    remember(
        project, "maskcreate", "relion.maskcreate", fn_in="reference.mrc", inimask_threshold=0.2
    )

    with a_window(project, SCREENSHOTS) as window:
        window.run("Mask creation")
        window.wait_for_end("MaskCreate/job001/")
        window.keep("success")
        seen = window.colours(FINISHED)

    assert RED not in seen
    assert project.status(project.folder / "MaskCreate" / "job001") == "Succeeded"


def test_a_refusal_is_seen_whole(project: Project) -> None:
    (project.folder / "empty.star").touch()
    remember(project, "auto3d", "relion.refine3d", **{**REFINE, "fn_img": "empty.star"})
    job = project.folder / "Refine3D" / "job001"

    with a_window(project, SCREENSHOTS) as window:
        window.run("3D auto-refine")
        window.wait_for_end("Refine3D/job001/")
        window.wait_to_read_why(lambda: last_line(job / "run.err"))
        window.keep("refusal")
        seen = window.colours(FINISHED)

    assert RED in seen
    assert not (job / "run_submit.script.run").exists()


def test_a_refusal_of_three_rows_is_seen_whole_in_the_field_of_run_out(project: Project) -> None:
    particles = project.folder / "particles.star"
    size = re.compile(r"(?<=4\.000000           )32\b")
    text, changed = size.subn("4096", particles.read_text())
    assert changed == 1, text
    particles.write_text(text)
    remember(project, "auto3d", "relion.refine3d", **REFINE)
    job = project.folder / "Refine3D" / "job001"

    with a_window(project, SCREENSHOTS) as window:
        window.run("3D auto-refine")
        window.wait_for_end("Refine3D/job001/")
        window.wait_to_read_why(lambda: last_line(job / "run.err"), OUTPUT)
        window.keep("long_refusal")


def test_the_reason_of_a_failure_is_seen_whole(project: Project) -> None:
    remember_program(project, "echo one >&2; echo two >&2; exit 3")
    job = project.folder / "External" / "job001"

    with a_window(project, SCREENSHOTS) as window:
        window.run("External")
        window.wait_for_end("External/job001/")
        window.wait_to_read_why(lambda: last_line(job / "run.err"))
        window.keep("failure")

    assert project.status(job) == "Failed"


def test_a_running_job_is_aborted(project: Project) -> None:
    remember_program(project, "echo it runs\nsleep 300")
    job = project.folder / "External" / "job001"

    with a_window(project, SCREENSHOTS) as window:
        window.run("External")
        window.wait_to_read(OUTPUT, "it runs")
        window.abort("External/job001/")
        window.wait_for_end("External/job001/")
        window.wait_to_read_why(lambda: last_line(job / "run.err"))
        window.keep("abort")
        still_running = window.read(RUNNING)

    assert "External" not in still_running
    assert project.status(job) == "Aborted"
