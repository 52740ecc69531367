"""A job without its library ends with a sentence, whatever state its folder is in."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.refusal import IN_SIGHT

from .running_job import RunningJob, exit_files

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture
def job(corpus_job: Callable[[str], Path]) -> Path:
    """A job of one command."""
    return corpus_job("relion-5.0.1/PostProcess_job016")


@pytest.fixture
def rendered(job: Path, running_job: RunningJob, site: Callable[..., Path]) -> Path:
    """Its script, of a scheduler that leaves the script's output alone."""
    site("site.json", {"scheduler": "own", "schedulers": {"own": {"submit_command": ["own"]}}})
    site("job_template/schedulers/own.sh.j2", "dispatch_scheduler_job=5\n")
    script = running_job.render(job)
    (job.parent / "run_submit.script.lib").unlink()
    return script


def test_a_folder_that_is_gone_is_told_on_standard_error(
    job: Path, rendered: Path, running_job: RunningJob
) -> None:
    shutil.rmtree(job.parent)

    running = running_job.start(rendered)

    assert "run_submit.script.lib is missing or was changed" in running.communicate(timeout=30)[1]
    assert running.returncode == 1


def test_a_folder_that_is_seen_some_seconds_late_is_no_reason(
    job: Path, running_job: RunningJob, site: Callable[..., Path], tmp_path: Path
) -> None:
    """As on a node whose network file system still remembers that there was no such folder."""
    site("site.json", {"scheduler": "slurm"})
    script = running_job.render(job)
    job.parent.rename(tmp_path / "unseen")

    running = running_job.start(script, SLURM_JOB_ID="17")
    time.sleep(1.5)
    (tmp_path / "unseen").rename(job.parent)

    assert running.wait(30) == 0
    assert exit_files(job) == {"SUCCESS"}


def test_relions_window_shows_the_sentence(
    job: Path, rendered: Path, running_job: RunningJob
) -> None:
    (job.parent / "run.err").write_text("before\n")

    assert running_job.start(rendered).wait(30) == 1

    said = (job.parent / "run.err").read_text()
    assert said.startswith(f"before\n{IN_SIGHT}relion-dispatch: The job could not begin")
    assert said.count("\n") == 1 + len(IN_SIGHT) + 1


def test_a_job_that_was_aborted_while_it_waited_ends_as_aborted(
    job: Path, rendered: Path, running_job: RunningJob
) -> None:
    (job.parent / "RELION_JOB_ABORT_NOW").touch()

    assert running_job.start(rendered).wait(30) == 1

    assert exit_files(job) == {"ABORTED"}


def test_on_a_full_disk_the_script_becomes_the_exit_file(
    job: Path, rendered: Path, running_job: RunningJob
) -> None:
    """A stand-in for dd makes no file; on a real disk: tests/system/images/test_machine.py."""
    dd = running_job.programs / "dd"
    dd.write_text('#!/bin/sh\ncase "$*" in *of=*) exit 1 ;; esac\nexec /usr/bin/dd "$@"\n')
    dd.chmod(0o755)

    assert running_job.start(rendered).wait(30) == 1

    assert exit_files(job) == {"FAILURE"}
    assert not (job.parent / "run_submit.script.run").exists()


@pytest.mark.parametrize("there", [None, "another job's"])
def test_a_link_that_took_the_folders_place_while_the_job_waited(
    there: str | None, job: Path, rendered: Path, running_job: RunningJob, tmp_path: Path
) -> None:
    """Nothing is written in the folder to which a colleague's link leads."""
    job.parent.rename(tmp_path / "moved")
    (tmp_path / "private").mkdir()
    (tmp_path / "private/run.err").write_text("kept\n")
    if there:
        (tmp_path / "private/run_submit.script.run").write_text("dispatch_token=012345678901\n")
    job.parent.symlink_to(tmp_path / "private")
    before = {path: path.read_bytes() for path in (tmp_path / "private").iterdir()}

    running = running_job.start(rendered)

    says = running.communicate(timeout=30)[1]
    assert (running.returncode, "is missing or was changed" in says) == (
        (0, False) if there else (1, True)
    )
    assert {path: path.read_bytes() for path in (tmp_path / "private").iterdir()} == before
