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


PIPELINER = {
    "FAILURE": {"PIPELINER_JOB_EXIT_FAILED", "RELION_JOB_EXIT_FAILURE"},
    "ABORTED": {"PIPELINER_JOB_EXIT_ABORTED", "RELION_JOB_EXIT_ABORTED"},
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("before", "told"),
    [
        ([], PIPELINER["FAILURE"]),
        (["PIPELINER_JOB_ABORT_NOW"], PIPELINER["ABORTED"]),
        (["RELION_JOB_EXIT_SUCCESS"], PIPELINER["FAILURE"]),  # of a program of RELION's
        (["RELION_JOB_EXIT_FAILURE", "PIPELINER_JOB_ABORT_NOW"], PIPELINER["ABORTED"]),
        (["PIPELINER_JOB_EXIT_FAILED"], {"PIPELINER_JOB_EXIT_FAILED"}),
        (["PIPELINER_JOB_EXIT_SUCCESS"], {"PIPELINER_JOB_EXIT_SUCCESS"}),
    ],
)
def test_the_pipeliner_is_told_by_its_own_files(
    before: list[str],
    told: set[str],
    full: bool,
    job: Path,
    running_job: RunningJob,
    site: Callable[..., Path],
) -> None:
    """Also on a full disk, where a stand-in for dd makes no file."""
    site("site.json", {"scheduler": "own", "schedulers": {"own": {"submit_command": ["own"]}}})
    site("job_template/schedulers/own.sh.j2", "dispatch_scheduler_job=5\n")
    name = f"{job.parent.parent.name}/{job.parent.name}"
    job.write_text(
        f"outfile: run.out\nerrfile: run.err\n----- commands -----\n"
        f"python3 /e/job_runner.py {name}/job.star\n----- end of commands -----\n"
    )
    script = running_job.render(job)
    (job.parent / "run_submit.script.lib").unlink()
    for file in before:
        (job.parent / file).touch()
    if full:
        dd = running_job.programs / "dd"
        dd.write_text('#!/bin/sh\ncase "$*" in *of=*) exit 1 ;; esac\nexec /usr/bin/dd "$@"\n')
        dd.chmod(0o755)

    assert running_job.start(script).wait(30) == 1

    found = {path.name for path in job.parent.iterdir()}
    assert {each for each in found if "_JOB_" in each} == told


def test_an_abort_in_the_pipeliners_window_counts_in_relions_job_as_well(
    job: Path, rendered: Path, running_job: RunningJob
) -> None:
    (job.parent / "PIPELINER_JOB_ABORT_NOW").touch()

    assert running_job.start(rendered).wait(30) == 1

    assert exit_files(job) == {"ABORTED"}


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
