"""What ``relion-dispatch resume`` refuses to start again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.jobs import start_run

from .cut_job import JOB, SCRIPT, TOKEN
from .pipeline_jobs import AddJob

pytestmark = pytest.mark.usefixtures("quickly", "local")


def by_another(folder: Path) -> None:
    content = json.loads((folder / "dispatch.json").read_text())
    content["submit_command"] = ["touch", str(folder / "canary")]
    (folder / "dispatch.json").write_text(json.dumps(content))


def changed(folder: Path) -> None:
    (folder / "run_submit.script.run").write_text(f"{SCRIPT}touch canary\n")


def linked(folder: Path) -> None:
    (folder / "run_submit.script.run").rename(folder / "elsewhere")
    (folder / "run_submit.script.run").symlink_to("elsewhere")


def aborted(folder: Path) -> None:
    (folder / "RELION_JOB_ABORT_NOW").touch()


def given_up(folder: Path) -> None:
    (folder / f".dispatch_claim.{TOKEN}.2").symlink_to("desk1, process 5, gave the submission up")


def failed(folder: Path) -> None:
    (folder / "RELION_JOB_EXIT_FAILURE").touch()


def succeeded(folder: Path) -> None:
    (folder / "RELION_JOB_EXIT_SUCCESS").touch()


@pytest.mark.parametrize(
    ("change", "keys", "says"),
    [
        (by_another, {}, "was not written here by your own relion-dispatch"),
        (changed, {}, "its script Refine3D/job019/run_submit.script.run is not the one that was"),
        (linked, {}, "its script Refine3D/job019/run_submit.script.run is not the one that was"),
        (aborted, {}, "is to be aborted: `relion-dispatch cancel Refine3D/job019` ends the job"),
        (given_up, {}, "its submission was given up"),
        (failed, {}, "(Failed): continue the job in RELION from Refine3D/job019/run_it007_optimis"),
        (succeeded, {}, "Refine3D/job019 has ended, and RELION knows it (Succeeded)."),
        (None, {"goes_on": None}, 'it was submitted without "goes_on"'),
        (None, {"host": "desk2"}, "ran on desk2, and can go on only there"),
        (None, {"seal": "0" * 64}, "was not written here by your own relion-dispatch"),
        (None, {"job_script_sha256": None}, "was not written here by your own relion-dispatch"),
        (None, {"refused": "There is no room."}, "was never submitted: There is no room."),
        (None, {"scheduler": "ferry"}, "site.json no longer has its scheduler ferry"),
    ],
)
def test_what_cannot_go_on_is_refused(
    change: Any, keys: Any, says: str, add_local: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_local(**keys)
    if change:
        change(folder)

    assert main(["resume", JOB]) == 1

    assert says in capsys.readouterr().err
    assert not (folder / "began").exists() and not (folder / "canary").exists()
    assert not (folder / f"dispatch.run.{TOKEN}.1").exists()


def test_a_job_without_a_record_is_refused(
    add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    add_job(JOB, record=False)

    assert main(["resume", JOB]) == 1

    assert "did not submit it" in capsys.readouterr().err


def test_what_changes_while_resume_waits_for_the_folder_counts(
    add_local: AddJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process holds the folder's lock, and the record is another's afterwards."""
    folder = add_local()
    real = start_run.folder_locked

    @contextmanager
    def after_another(locked: Path) -> Iterator[None]:
        by_another(folder)
        with real(locked):
            yield

    monkeypatch.setattr(start_run, "folder_locked", after_another)

    assert main(["resume", JOB]) == 1

    assert f"{JOB} has changed meanwhile (" in capsys.readouterr().err
    assert not (folder / "began").exists() and not (folder / "canary").exists()
    assert not (folder / f"dispatch.run.{TOKEN}.1").exists()
