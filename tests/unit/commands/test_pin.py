"""``relion-dispatch pin``: what a project is pinned to, moving it, and comparing it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dispatcher import cli
from dispatcher.config.site import load_site
from dispatcher.images.known_projects import known_projects
from dispatcher.images.pins import PIN_FILE, Pin, pins
from dispatcher.jobs.history import jobs_with, read_history
from dispatcher.relion.pipeline import older_than_pipeline, pipeline_major
from dispatcher.relion.version import major_version

from ...sif_file import write_sif

# As RELION wrote them: 3.1.3 and 5.1.0 run on a project with one job; 4.0.2 by its pipeliner.cpp.
GENERAL = "\n# version {}\n\ndata_pipeline_general\n\n_rlnPipeLineJobCounter            2\n \n"
PROCESSES = (
    "\n# version {}\n\ndata_pipeline_processes\n\nloop_ \n_rlnPipeLineProcessName #1 \n"
    "_rlnPipeLineProcessAlias #2 \n"
)
NUMBERS = "_rlnPipeLineProcessType #3 \n_rlnPipeLineProcessStatus #4 \n"
LABELS = "_rlnPipeLineProcessTypeLabel #3 \n_rlnPipeLineProcessStatusLabel #4 \n"
BY_NUMBER = "MaskCreate/job001/       None           12            1 \n \n"
BY_LABEL = "MaskCreate/job001/       None relion.maskcreate  Scheduled \n \n"
PIPELINES = {
    "3.1": GENERAL.format(30001) + PROCESSES.format(30001) + NUMBERS + BY_NUMBER,
    "4.0": GENERAL.format(30001) + PROCESSES.format(30001) + LABELS + BY_LABEL,
    "5.1": GENERAL.format(50001) + PROCESSES.format(50001) + LABELS + BY_LABEL,
    "of tests": GENERAL.format(30001),
    "3.0": GENERAL.replace("\n# version {}\n", ""),
    "empty": "",
}


class Said(NamedTuple):
    status: int
    out: str
    err: str


PinCommand = Callable[..., Said]


@pytest.fixture
def pin(
    project: Path,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> PinCommand:
    """``relion-dispatch pin …`` in a project of RELION 5."""
    assert images.is_file()
    (project / "default_pipeline.star").write_text(PIPELINES["5.1"])
    monkeypatch.chdir(project)

    def call(*arguments: str) -> Said:
        status = cli.main(["pin", *arguments])
        return Said(status, *capsys.readouterr())

    return call


def write_pins(project: Path, **versions: Any) -> None:
    entries = {
        name: {"version": version, "sha256": {}} if isinstance(version, str) else version
        for name, version in versions.items()
    }
    (project / PIN_FILE).write_text(json.dumps({"images": entries}))


def write_record(
    project: Path, job: str, version: str, name: str = "dispatch.json", **more: Any
) -> None:
    path = project / job / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = {"name": "relion", "version": version, "variant": "cpu", "sha256": "1" * 64}
    dispatched = f"2026-11-24T10:{job[-2:]}:00+00:00"
    path.write_text(json.dumps({"image": image, "dispatched": dispatched} | more))


def catalogue(images: Path) -> dict[str, Any]:
    return dict(json.loads(images.read_text()))


def builds(images: Path, version: str = "5.1.0") -> dict[str, dict[str, Any]]:
    """The builds of a version by variant, as in the catalogue."""
    return {b["variant"]: b for b in catalogue(images)["relion"]["versions"][version]}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Showing


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


# Moving


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


# Comparing


def test_what_belongs_together_has_status_0(pin: PinCommand, project: Path, images: Path) -> None:
    digest = sha256(images.parent / "relion-5.1.0-cpu.sif")
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": digest}})

    for arguments in (["--check"], ["--check", "--full"]):
        said = pin(*arguments)
        assert (said.status, said.err) == (0, "")
        assert "belong together" in said.out
    assert json.loads(pin("--check", "--json").out)["differences"] == []


def assert_differs(said: Said, project: Path, *says: str) -> None:
    """One sentence that names the pin file and the way out, and status 1."""
    assert said.status == 1
    (line,) = [line for line in said.out.splitlines() if str(project / PIN_FILE) in line]
    for text in says:
        assert text in line
    assert line.endswith((".", "`."))


def test_a_pinned_version_gone_from_the_catalogue(pin: PinCommand, project: Path) -> None:
    write_pins(project, relion="5.0.1")

    assert_differs(
        pin("--check"),
        project,
        "pins relion 5.0.1: ask your admin",
        "relion 5.0.1 is not in the catalogue",
        "`relion-dispatch pin relion VERSION`",
    )


def test_an_image_gone_from_the_catalogue(pin: PinCommand, project: Path) -> None:
    write_pins(project, topaz="0.2.5")

    assert_differs(
        pin("--check"), project, 'The image "topaz" is not in the catalogue', "remove the entry"
    )


def test_another_digest_in_the_catalogue(pin: PinCommand, project: Path, images: Path) -> None:
    content = catalogue(images)
    content["relion"]["versions"]["5.1.0"][1]["sha256"] = "2" * 64
    images.write_text(json.dumps(content))
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": "1" * 64}})

    assert_differs(
        pin("--check"), project, "1" * 64, "2" * 64, "`relion-dispatch pin relion 5.1.0`"
    )


def test_a_variant_gone_from_the_catalogue(pin: PinCommand, project: Path) -> None:
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cuda11": "1" * 64}})

    assert_differs(
        pin("--check"), project, "relion 5.1.0 (cuda11) is not in", "1" * 64, "pin relion 5.1.0`"
    )


def test_a_missing_file(pin: PinCommand, project: Path, images: Path) -> None:
    write_pins(project, relion="5.1.0")
    (images.parent / "relion-5.1.0-cuda.sif").unlink()

    assert_differs(pin("--check"), project, "(cuda)", "relion-5.1.0-cuda.sif cannot be read")


def test_a_changed_file(pin: PinCommand, project: Path, images: Path) -> None:
    path = images.parent / "relion-5.1.0-cpu.sif"
    digest = sha256(path)
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": digest}})
    write_sif(path, b"other content, longer")

    said = pin("--check")

    assert_differs(said, project, digest, sha256(path), "relion-dispatch pin relion 5.1.0")


def test_a_change_that_leaves_no_trace_shows_when_all_is_hashed(
    pin: PinCommand, project: Path, images: Path
) -> None:
    path = images.parent / "relion-5.1.0-cpu.sif"
    found, digest = path.stat(), sha256(path)
    content = catalogue(images)
    content["relion"]["versions"]["5.1.0"][1] |= {
        "sha256": digest,
        "size": found.st_size,
        "mtime": found.st_mtime_ns,
        "sif_id": write_sif(path),
    }
    images.write_text(json.dumps(content))
    write_pins(project, relion={"version": "5.1.0", "sha256": {"cpu": digest}})
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    assert pin("--check").status == 0
    assert_differs(pin("--check", "--full"), project, sha256(path), digest)


# The pipeline's RELION


@pytest.mark.parametrize(
    ("written", "major"),
    [("3.1", 3), ("4.0", 4), ("5.1", 5), ("of tests", 3), ("3.0", None), ("empty", None)],
)  # fmt: skip
def test_the_pipeline_tells_its_relion(tmp_path: Path, written: str, major: int | None) -> None:
    (tmp_path / "default_pipeline.star").write_text(PIPELINES[written])

    assert pipeline_major(tmp_path) == major


def test_only_the_first_lines_of_a_pipeline_are_read(tmp_path: Path) -> None:
    damaged = PIPELINES["4.0"] + "a row of two\n" * 3
    (tmp_path / "default_pipeline.star").write_text(damaged)

    assert pipeline_major(tmp_path) == 4


@pytest.mark.parametrize(
    ("written", "version", "image", "warns"),
    [
        ("5.1", "4.0.2", "relion", True),
        ("5.1", "3.1.3", "relion-tomo", True),
        ("4.0", "3.1.3", "relion", True),
        ("5.1", "5.0.1", "relion", False),
        ("4.0", "5.0.1", "relion", False),
        ("3.1", "3.1.3", "relion", False),
        ("5.1", "0.2.5", "topaz", False),
        ("5.1", "nightly", "relion", False),
        ("empty", "3.1.3", "relion", False),
    ],
)
def test_an_older_major_version_than_the_pipelines_warns(
    tmp_path: Path, written: str, version: str, image: str, warns: bool
) -> None:
    (tmp_path / "default_pipeline.star").write_text(PIPELINES[written])

    warning = older_than_pipeline(tmp_path, version, image)

    assert (warning is not None) == warns
    assert not warning or f"{image} {version} is older than the RELION {written[0]}" in warning


def test_no_pipeline_no_warning(tmp_path: Path) -> None:
    assert older_than_pipeline(tmp_path, "3.1.3") is None
    assert [major_version(version) for version in ("5.1.0", "v5", "5beta", "x")] == [
        5,
        5,
        None,
        None,
    ]


def test_the_warning_comes_with_moving_and_checking(pin: PinCommand, project: Path) -> None:
    for said in (pin("relion", "3.1.3"), pin("--check"), pin()):
        assert "warning: relion 3.1.3 is older than the RELION 5 that wrote" in said.err
        assert said.status == 0, "a warning is no difference"
    assert pins(project)["relion"].version == "3.1.3"


# The jobs


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
    assert history.unreadable == (damaged,)
    assert jobs_with(history.runs, "relion", "5.1.0") == ["Class2D/job003"]


def test_a_record_that_cannot_be_read_is_said(pin: PinCommand, project: Path) -> None:
    write_record(project, "Class2D/job003", "5.1.0")
    (project / "Class2D/job003/dispatch.json").write_text("")

    assert "job003/dispatch.json cannot be read" in pin().err
