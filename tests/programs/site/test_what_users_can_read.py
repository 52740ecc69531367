"""``relion-dispatch check`` sees with the eyes of the site's users, whoever calls it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.host.reach import EVERYBODY, Readers, closed_to, readers_of
from dispatcher.site.check import problems
from dispatcher.site.reach_check import closed_files

pytestmark = pytest.mark.usefixtures("programs")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def open_site(images: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site that everybody can read, and its images beside it."""
    shutil.copytree(images.parent, folder / "images")
    site = folder / "site"
    site.mkdir()
    text = images.read_text().replace('"relion-', f'"{folder}/images/relion-')
    (site / "images.json").write_text(text)
    for path in (*folder.rglob("*"), site):
        path.chmod(0o755 if path.is_dir() else 0o644)
    monkeypatch.setenv("RELION_DISPATCH_SITE", str(site))
    return site


def test_what_everybody_can_read_is_in_order(open_site: Path) -> None:
    assert problems() == []


def test_an_image_that_its_owner_alone_can_read_is_named(open_site: Path) -> None:
    image = open_site.parent / "images" / "relion-3.1.3-cpu.sif"
    image.chmod(0o600)

    assert problems() == [
        f"The image relion 3.1.3 (cpu) ({image}) has mode 0600, so that other users cannot use it "
        f"in their jobs: `chmod a+r {image}`."
    ]


def test_a_closed_folder_is_named_once_for_all_that_is_in_it(open_site: Path) -> None:
    folder = open_site.parent / "images"
    folder.chmod(0o700)

    (problem,) = problems()

    assert problem.startswith(
        f"The folder {folder} has mode 0700, so that other users cannot reach the image relion "
    )
    assert f"`chmod a+x {folder}`" in problem


@pytest.mark.parametrize(
    "name",
    ["endings.json", "schedulers/slurm.json", "job_template/postprocess.sh.j2",
     "job_template/library/scratch.sh"],
)  # fmt: skip
def test_files_of_the_site_that_jobs_read_are_looked_at(name: str, open_site: Path) -> None:
    path = open_site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for each in (path.parent, path.parent.parent):
        each.chmod(0o755)
    shipped = Path(__file__).parents[3] / "job_template" / "sp.sh.j2"
    path.write_text(shipped.read_text() if name.endswith(".j2") else "{}" * name.endswith("json"))
    path.chmod(0o640)

    assert problems() == [
        f"The site's file ({path}) has mode 0640, so that other users cannot use it in their jobs: "
        f"`chmod a+r {path}`."
    ]


def test_files_beside_templates_that_no_job_reads_are_not_looked_at(open_site: Path) -> None:
    folder = open_site / "job_template"
    folder.mkdir()
    folder.chmod(0o755)
    for name in ("sp.sh.j2~", "notes.txt", "sp.sh.j2.orig"):
        (folder / name).touch(mode=0o600)

    assert problems() == []


def test_a_site_for_its_owner_alone_is_looked_at_with_his_eyes(open_site: Path) -> None:
    open_site.chmod(0o700)
    (open_site.parent / "images").chmod(0o700)

    assert problems() == []


def test_folders_of_weights_are_looked_at(open_site: Path) -> None:
    weights = open_site.parent / "weights"
    weights.mkdir()
    weights.chmod(0o750)
    catalogue = json.loads((open_site / "images.json").read_text())
    catalogue["relion"]["versions"]["5.1.0"][0]["weights"] = str(weights)
    (open_site / "images.json").write_text(json.dumps(catalogue))

    (problem,) = problems()

    assert f"({weights}) has mode 0750" in problem
    assert f"`chmod a+rx {weights}`" in problem


def test_a_site_of_a_group_is_looked_at_with_the_eyes_of_the_group(folder: Path) -> None:
    for name, mode in (("site", 0o750), ("same", 0o640), ("closed", 0o600)):
        path = folder / name
        path.mkdir() if name == "site" else path.touch()
        path.chmod(mode)

    users = readers_of(folder / "site")

    assert users == Readers(False, [folder.stat().st_gid])
    assert closed_to(users, folder / "same") is None
    assert closed_to(users, folder / "closed") == folder / "closed"
    assert closed_to(EVERYBODY, folder / "same") == folder / "same"


def test_an_apptainer_that_others_cannot_start_is_named(open_site: Path) -> None:
    program = open_site.parent / "apptainer"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o744)
    (open_site / "site.json").write_text(json.dumps({"apptainer": {"program": str(program)}}))
    (open_site / "site.json").chmod(0o644)

    assert list(closed_files(load_configuration().site, None)) == [
        f"The program of Apptainer ({program}) has mode 0744, so that other users cannot use it in "
        f"their jobs: `chmod a+rx {program}`."
    ]
