"""``relion-dispatch pin``: what a project is pinned to, moving it, and comparing it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.site import load_site
from dispatcher.images.known_projects import known_projects
from dispatcher.images.pins import Pin, pins
from dispatcher.jobs.history import jobs_with, read_history

from .pinned import PIPELINES, PinCommand, write_pins


def write_record(
    project: Path, job: str, version: str, name: str = "dispatch.json", **more: Any
) -> None:
    path = project / job / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = {"name": "relion", "version": version, "variant": "cpu", "sha256": "1" * 64}
    dispatched = f"2026-11-24T10:{job[-2:]}:00+00:00"
    path.write_text(json.dumps({"image": image, "dispatched": dispatched} | more))


def test_the_pins_are_a_table(pin: PinCommand, project: Path, images: Path) -> None:
    write_pins(project, relion="3.1.3", topaz="0.2.5")
    write_record(project, "Class2D/job003", "3.1.3")
    (images.parent / "relion-3.1.3-cuda.sif").unlink()

    said = pin()

    head, relion, topaz = said.out.splitlines()
    assert head.split() == ["image", "pinned", "site's", "default", "jobs", "files"]
    assert relion.split() == ["relion", "3.1.3", "5.1.0", "1", "cuda", "(file", "missing),", "cpu"]
    assert topaz.split() == ["topaz", "0.2.5", "none", "0", "not", "in", "the", "catalogue"]
    assert said.status == 0


def test_the_table_as_json(pin: PinCommand, project: Path, images: Path) -> None:
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": "1" * 64}})
    write_record(project, "Class2D/job003", "5.1.0")

    content = json.loads(pin("--json").out)

    assert content == {
        "project": str(project),
        "pins": [
            {
                "name": "relion",
                "version": "5.1.0",
                "sha256": {"cpu": "1" * 64},
                "default": "5.1.0",
                "in_catalogue": True,
                "files": [
                    {
                        "variant": variant,
                        "path": f"{images.parent}/relion-5.1.0-{variant}.sif",
                        "exists": True,
                    }
                    for variant in ("cuda", "cpu")
                ],
                "jobs": ["Class2D/job003"],
            }
        ],
        "warnings": [],
    }


def test_one_pin_tells_all_versions_that_jobs_ran_with(pin: PinCommand, project: Path) -> None:
    write_pins(project, relion="5.1.0")
    write_record(project, "Class2D/job003", "5.0.1")
    write_record(project, "Refine3D/job004", "5.1.0")

    said = pin("relion")

    assert "Ran with relion 5.0.1: Class2D/job003." in said.out
    assert "Ran with relion 5.1.0: Refine3D/job004." in said.out
    assert 'did you mean "relion"?' in pin("reloin").err


def test_a_project_without_pins(pin: PinCommand) -> None:
    assert "Nothing is pinned" in pin().out
    assert "relion 5.1.0" in pin().out


def test_outside_a_project(pin: PinCommand, tmp_path: Path) -> None:
    os.chdir(tmp_path)

    said = pin()

    assert said.status == 1
    assert "is not a RELION project (there is no default_pipeline.star in it)" in said.err


def test_moving_tells_which_jobs_ran_with_the_old_version(pin: PinCommand, project: Path) -> None:
    (project / "default_pipeline.star").write_text(PIPELINES["3.1"])
    write_pins(project, relion="3.1.3")
    write_record(project, "Class2D/job003", "3.1.3")
    write_record(project, "Refine3D/job002", "3.1.3", name="dispatch.json.1")
    write_record(project, "Refine3D/job002", "5.1.0")

    said = pin("relion", "5.1.0")

    assert said.status == 0
    assert said.err == ""
    assert "relion is now pinned to 5.1.0; it was pinned to 3.1.3" in said.out
    assert "Ran with relion 3.1.3: Refine3D/job002, Class2D/job003." in said.out
    assert pins(project)["relion"] == Pin("5.1.0")


def test_a_project_whose_pin_was_moved_is_known_to_the_site(
    pin: PinCommand, project: Path, images: Path
) -> None:
    (images.parent / "projects").mkdir()

    assert pin("relion", "3.1.3").status == 0

    assert list(known_projects(load_site())) == [project]


def test_moving_to_the_same_version_takes_the_files_of_now(pin: PinCommand, project: Path) -> None:
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": "1" * 64}})

    said = pin("relion", "5.1.0")

    assert "relion stays at 5.1.0" in said.out
    assert f"cpu had {'1' * 64}" in said.out
    assert pins(project)["relion"] == Pin("5.1.0")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("reloin", "5.1.0"), 'did you mean "relion"?'),
        (("relion", "5.1.O"), "relion 5.1.O is not in the catalogue"),
        (("relion", "5.1.O"), '(it has relion 5.1.0, 3.1.3); did you mean "5.1.0"?'),
        (("relion", "6.0"), "(it has relion 5.1.0, 3.1.3). Name an image that is in the catalogue"),
        (("relion", "3.1.3", "--check"), "one thing at a time"),
        (("--full",), "--full belongs to --check"),
    ],
)
def test_what_the_catalogue_does_not_have_is_no_move(
    pin: PinCommand, project: Path, arguments: tuple[str, ...], says: str
) -> None:
    write_pins(project, relion="5.1.0")

    said = pin(*arguments)

    assert said.status == 1
    assert says in said.err
    assert pins(project)["relion"].version == "5.1.0"


def test_the_history_is_that_of_all_records(project: Path) -> None:
    write_record(project, "Class2D/job003", "5.1.0")
    write_record(project, "Class2D/job003", "3.1.3", name="dispatch.json.1")
    write_record(project, "Class2D/job003", "3.0", name="dispatch.json.orig")
    write_record(project, "External/job004", "", image=None)
    (project / "Class2D" / "my_classes").symlink_to("job003")
    (project / "Class2D" / "job_alias").symlink_to("job003")
    damaged = project / "Class2D" / "job005" / "dispatch.json"
    damaged.parent.mkdir()
    damaged.write_text('{"image": ')

    history = read_history(project)

    assert {(run.job, run.version) for run in history.runs} == {
        ("Class2D/job003", "5.1.0"),
        ("Class2D/job003", "3.1.3"),
    }
    (why,) = history.unreadable
    assert why.startswith(f"{damaged} is not a record of relion-dispatch (line 1, column ")
    assert jobs_with(history.runs, "relion", "5.1.0") == ["Class2D/job003"]


def test_a_record_that_cannot_be_read_is_said(pin: PinCommand, project: Path) -> None:
    write_record(project, "Class2D/job003", "5.1.0")
    (project / "Class2D/job003/dispatch.json").write_text("")

    assert "job003/dispatch.json is not a record" in pin().err
