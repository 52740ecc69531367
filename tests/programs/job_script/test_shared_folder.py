"""What others put into a job's folder neither leads its script elsewhere nor keeps it waiting."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from .run_files import TOKEN
from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")

PUT: dict[str, Callable[[Path, Path], object]] = {
    "link": lambda path, own: path.symlink_to(own),
    "link to nothing": lambda path, own: path.symlink_to(own.with_name("nothing")),
    "other name": lambda path, own: os.link(own, path),
    "pipe": lambda path, own: os.mkfifo(path),
    "folder": lambda path, own: path.mkdir(),
}
NAMES = [
    f".dispatch_control.{TOKEN}",
    f".dispatch.run.{TOKEN}.new",
    f"dispatch.run.{TOKEN}",
    ".dispatch.json.lock",
    ".dispatch_probe",
    f".dispatch_watcher.{TOKEN}",
    "run_submit.script.run",
    "RELION_JOB_EXIT_SUCCESS",
    "run.out",
    "run.err",
    "dispatch.json",
    "mps_log",
]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of the job's user, which must stay as it is."""
    path = tmp_path / "bashrc"
    path.write_text("mine\n")
    path.chmod(0o600)
    return path


def untouched(own: Path) -> bool:
    return (
        own.read_text() == "mine\n"
        and stat.S_IMODE(own.stat().st_mode) == 0o600
        and not own.with_name("nothing").exists()
    )


def put(job: Path, what: str, own: Path) -> None:
    """One kind of thing at all names."""
    for name in NAMES:
        path = job.parent / name
        path.unlink(missing_ok=True)
        PUT[what](path, own)


@pytest.mark.parametrize("ends", ["true", "false"])
@pytest.mark.parametrize("what", PUT)
def test_relion_is_told_whatever_the_names_are(
    what: str, ends: str, job: Path, own: Path, running_job: RunningJob
) -> None:
    rendered = running_job.render(job, TOKEN)
    put(job, what, own)

    assert running_job.start(rendered, ON_RUN=ends).wait(30) == (0 if ends == "true" else 1)

    assert exit_files(job) == {"SUCCESS" if ends == "true" else "FAILURE"}
    assert untouched(own)


@pytest.mark.parametrize("what", PUT)
def test_relion_is_told_of_a_library_that_is_no_file(
    what: str, job: Path, own: Path, running_job: RunningJob
) -> None:
    """The script's own name alone tells a job without its library that the folder is its own."""
    rendered = running_job.render(job, TOKEN)
    put(job, what, own)
    script = job.parent / "run_submit.script.run"
    script.rmdir() if script.is_dir() else script.unlink()
    shutil.copy(rendered, script)
    (job.parent / "run_submit.script.lib").unlink()
    PUT[what](job.parent / "run_submit.script.lib", own)
    if what not in ("link to nothing",):  # where RELION would see the end already
        path = job.parent / "RELION_JOB_EXIT_SUCCESS"
        path.rmdir() if path.is_dir() else path.unlink()

    assert running_job.start(rendered).wait(30) == 1

    assert any(path.exists() for path in job.parent.glob("RELION_JOB_EXIT_FAILURE"))
    assert untouched(own)


def test_a_job_whose_folder_is_moved_away_leaves_what_is_in_its_place_alone(
    job: Path, running_job: RunningJob, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("ending", "reserve", "RELION_JOB_EXIT_SUCCESS", "run.err"):
        (other / name).write_text("mine\n")
    folder = job.parent.relative_to(project)
    swap = f"mv {folder} moved; ln -s {other} {folder}; exit 3"

    assert running_job.start(running_job.render(job, TOKEN), ON_RUN=swap).wait(60) == 3

    assert {path.name: path.read_text() for path in other.iterdir()} == dict.fromkeys(
        ("ending", "reserve", "RELION_JOB_EXIT_SUCCESS", "run.err"), "mine\n"
    )
    assert (project / "moved" / "RELION_JOB_EXIT_FAILURE").exists()
    assert (project / "moved" / f"dispatch.run.{TOKEN}").exists()
