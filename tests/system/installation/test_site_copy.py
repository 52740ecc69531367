"""A site set up elsewhere from its export, by deploy/install.sh --from."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ...corpus import copy_job, fill_project
from ..project import ROOT
from .conftest import FORMS, assert_as_in_manifest, environment, form_options, install, run

# One with the site's own template on GPUs, one without GPUs, and one of another RELION.
# tests/programs/site/test_site_import.py compares the plans of all submissions.
JOBS = (
    "relion-5.0.1/Refine3D_job011",
    "relion-5.0.1/PostProcess_job016",
    "relion-3.1.4/MaskCreate_job001",
)


def plans(prefix: Path, project: Path, **more: str) -> list[dict[str, Any]]:
    """The plans of these submissions, as the installation prints them."""
    found = []
    for job in JOBS:
        script = copy_job(job, project)
        found.append(json.loads(run(prefix, "plan", "--json", script, **more)))
    return found


@pytest.fixture
def store(tmp_path: Path, images: dict[str, Path]) -> Path:
    """A folder with links to RELION's real images, to be moved."""
    folder = tmp_path / "store"
    folder.mkdir()
    for major, image in images.items():
        (folder / f"relion-{major}.sif").hardlink_to(image)
    return folder


@pytest.fixture
def site(tmp_path: Path, store: Path, versions: dict[str, str]) -> Path:
    """A site's own files, in a folder of theirs."""
    folder = tmp_path / "site"
    (folder / "job_template").mkdir(parents=True)
    catalogue = {
        versions[major]: [
            {
                "variant": "stand-in for cuda",
                "path": f"{store}/relion-{major}.sif",
                "gpu": "nvidia",
            },
            {"variant": "cpu", "path": f"{store}/relion-{major}.sif"},
        ]
        for major in ("3", "5")
    }
    contents = {
        "images.json": {"relion": {"default": versions["5"], "versions": catalogue}},
        "site.json": {
            "scheduler": "slurm",
            "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "32G"}},
            "job_parameters": {"submit": {"partition": "gpu"}, "gpu": {"ngpu": 2}},
        },
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2))
    (folder / "job_template" / "refine.sh.j2").write_text('{% extends "gpu.sh.j2" %}')
    return folder


@pytest.mark.parametrize("form", FORMS)
def test_a_site_from_its_export_plans_submissions_alike(
    form: str, installed: Callable[[str], Path], site: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    fill_project(project)
    there, here = installed("venv"), tmp_path / "prefix"
    file = tmp_path / "site.tar"
    run(there, "site", "export", file, RELION_DISPATCH_SITE=str(site))
    before = plans(there, project, RELION_DISPATCH_SITE=str(site))
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path)
    definitions = (tmp_path / "relion-dispatch-site" / "definitions").iterdir()
    assert "Bootstrap: localimage" in "".join(each.read_text() for each in definitions)

    done = install(here, *form_options(form), "--from", file)

    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search("^(differs|missing)", done.stdout, re.MULTILINE)
    after = plans(here, project)
    assert after == before
    assert "refine.sh.j2" in {plan["template"] for plan in after}
    assert_as_in_manifest(here)
    assert_site_is_in_manifest(here)


def assert_site_is_in_manifest(prefix: Path) -> None:
    """Each of the site's files, and its folder of projects, is in the MANIFEST."""
    text = (prefix / "MANIFEST").read_text()
    listed = re.findall(r"^# (?:site|made) +(\S+)", text, re.MULTILINE)
    written = {
        str(path.relative_to(prefix))
        for path in (prefix / "etc").rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }
    assert len(written) >= 3
    assert set(listed) == written | {"etc/relion-dispatch/projects/"}


def test_images_of_an_exported_site_are_found_and_no_recipe_of_the_site_runs(
    installed: Callable[[str], Path],
    site: Path,
    store: Path,
    images: dict[str, Path],
    versions: dict[str, str],
    tmp_path: Path,
) -> None:
    there, here = installed("venv"), tmp_path / "prefix"
    (site / "containers").mkdir()
    (site / "containers" / "ours.def").write_text(
        f"Bootstrap: localimage\nFrom: {images['3']}\n\n"
        f"%labels\n    relion.version {versions['3']}\n    relion.gpu none\n"
        "    relion.mpi Open MPI\n\n"
        "%test\n    relion_refine --version\n"
    )
    recipe = {"versions": versions["3"], "variant": "cpu", "definition": "ours.def"}
    (site / "containers" / "recipes.json").write_text(json.dumps({"relion": [recipe]}))
    file = tmp_path / "site.tar"
    run(there, "site", "export", file, RELION_DISPATCH_SITE=str(site))
    moved = store.rename(tmp_path / "moved")
    (moved / "relion-3.sif").unlink()
    (moved / "relion-5.sif").rename(moved / "5.img")

    done = install(here, *form_options("appliance"), "--from", file, "--images", moved, "--build")

    assert done.returncode == 3, done.stdout + done.stderr
    found = re.findall(r"^((?:equal|differs|missing) +(.*?)(?:  .*)?)$", done.stdout, re.MULTILINE)
    row = {what: line for line, what in found}
    for variant in ("stand-in for cuda", "cpu"):
        five = row[f"image relion {versions['5']} ({variant})"]
        assert five.startswith("equal") and five.endswith(f"{moved}/5.img")
    assert row["site/images.json"].startswith("equal"), done.stdout + done.stderr
    assert row[f"image relion {versions['3']} (stand-in for cuda)"].startswith("missing")
    assert row[f"image relion {versions['3']} (cpu)"].startswith("missing")
    assert "(stand-in for cuda) was not built: There is no recipe" in done.stdout
    # A stranger's recipe could run anything here, so its admin looks at it first.
    assert "(cpu) was not built: the site has its own recipe" in done.stdout
    assert "ours.def, parts of which run outside of the container" in done.stdout
    listed = json.loads(run(here, "images", "list", "--json"))
    assert f"{moved}/5.img" in [each["path"] for each in listed if each["variant"] == "cpu"]
    assert_site_is_in_manifest(here)


def test_an_export_that_cannot_be_set_up_installs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "site.tar"
    file.write_text('{"format": "another"}')

    done = install(tmp_path / "prefix", "--venv", "--from", file)

    assert done.returncode == 1
    assert "is not an export of a site" in done.stderr
    assert not (tmp_path / "prefix" / "current").exists()
    assert list((tmp_path / "prefix" / "versions").iterdir()) == []
    manifest = (tmp_path / "prefix" / "MANIFEST").read_text()
    assert "tried to set up the site of" in manifest and "# version" not in manifest


def test_root_without_capabilities_sets_a_site_up(
    installed: Callable[[str], Path], site: Path, tmp_path: Path
) -> None:
    """Apptainer cannot start with root's capabilities where some are missing.

    Simulated: a user namespace's root, and an Apptainer that refuses to start unless it is to give
    up all capabilities.
    """
    file, prefix = tmp_path / "site.tar", tmp_path / "prefix"
    run(installed("venv"), "site", "export", file, RELION_DISPATCH_SITE=str(site))
    program = tmp_path / "apptainer"
    program.write_text(
        '#!/bin/sh\n[ -n "$APPTAINER_NO_PRIVS" ] || [ "$1" = --version ] || exit 255\n'
        f'exec {os.environ["RELION_TEST_APPTAINER"]} "$@"\n'
    )
    program.chmod(0o755)

    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", ROOT / "deploy" / "install.sh"),
            *("--prefix", prefix, *form_options("appliance"), "--from", file),
        ],
        env=environment(RELION_DISPATCH_APPTAINER=str(program)),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrote: " in done.stdout
    assert_site_is_in_manifest(prefix)
