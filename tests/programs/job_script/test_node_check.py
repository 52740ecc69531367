"""What the job script sees on the node before RELION starts: the image's file, and Apptainer."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.images.sif import read_header
from dispatcher.job_script.variables import NO_TOKEN
from dispatcher.planning.make_plan import plan_script

from ...fixture_types import CorpusJob
from ...sif_file import write_sif
from .running_job import write_job_script

JOB = "relion-5.0.1/PostProcess_job016"
IMAGE = "relion-5.1.0-cpu.sif"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for the PATH, with an Apptainer that only notes that it was started."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apptainer").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    (folder / "apptainer").chmod(0o755)
    return folder


@pytest.fixture
def rendered(corpus_job: CorpusJob, images: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A job script, and its job's folder."""
    assert images.is_file()
    submission = corpus_job(JOB)
    script = tmp_path / "job_script"
    write_job_script(plan_script(submission, load_configuration()), NO_TOKEN, script)
    return script, submission.parent


def run(script: Path, project: Path, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", script],
        cwd=project,
        env={"PATH": path, "HOME": str(project)},
        capture_output=True,
        text=True,
        timeout=30,
    )


def exit_files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("RELION_JOB_EXIT_*")}


def other_id(image: Path) -> None:
    write_sif(image, sif_id=uuid.UUID(int=1))


def other_size(image: Path) -> None:
    write_sif(image, content=b"another file system")


@pytest.mark.parametrize("swap", [other_id, other_size])
def test_a_file_that_was_swapped_after_the_dispatch_starts_nothing(
    swap: Callable[[Path], None],
    rendered: tuple[Path, Path],
    images: Path,
    project: Path,
    programs: Path,
    tmp_path: Path,
) -> None:
    script, folder = rendered
    image = images.parent / IMAGE
    chosen = read_header(image)
    swap(image)
    found = read_header(image)
    assert (found.size, found.sif_id) != (chosen.size, chosen.sif_id)

    done = run(script, project, f"{programs}:{os.environ['PATH']}")

    assert done.returncode != 0
    assert exit_files(folder) == {"RELION_JOB_EXIT_FAILURE"}
    told = (folder / "run.err").read_text()
    assert f"SIF id {found.size} {found.sif_id} instead of {chosen.size} {chosen.sif_id}" in told
    assert not (tmp_path / "started").exists()


def test_a_file_that_is_not_on_the_node_starts_nothing(
    rendered: tuple[Path, Path], images: Path, project: Path, programs: Path, tmp_path: Path
) -> None:
    script, folder = rendered
    (images.parent / IMAGE).unlink()

    done = run(script, project, f"{programs}:{os.environ['PATH']}")

    assert done.returncode != 0
    assert exit_files(folder) == {"RELION_JOB_EXIT_FAILURE"}
    assert not (tmp_path / "started").exists()


def test_the_file_that_was_chosen_starts(
    rendered: tuple[Path, Path], project: Path, programs: Path, tmp_path: Path
) -> None:
    script, folder = rendered

    assert run(script, project, f"{programs}:{os.environ['PATH']}").returncode == 0

    assert exit_files(folder) == {"RELION_JOB_EXIT_SUCCESS"}
    assert (tmp_path / "started").exists()


@pytest.mark.parametrize("only_singularity", [False, True])
def test_a_node_without_apptainer_is_told_to_relion(
    only_singularity: bool, rendered: tuple[Path, Path], project: Path, programs: Path
) -> None:
    script, folder = rendered
    if only_singularity:
        (programs / "apptainer").rename(programs / "singularity")
    else:
        (programs / "apptainer").unlink()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).glob("*"):
            link = programs / program.name
            if program.name not in ("apptainer", "singularity") and not link.is_symlink():
                link.symlink_to(program)

    done = run(script, project, str(programs))

    assert done.returncode == 127
    assert exit_files(folder) == {"RELION_JOB_EXIT_FAILURE"}
    assert "apptainer: command not found" in (folder / "run.err").read_text()
