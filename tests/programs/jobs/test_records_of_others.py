"""Records, notes and pipelines that others wrote: each wrong one is named, and the others go on.

The queue is a stand-in.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.jobs.seal import Sealed, seal, text_digest

from ...fixture_types import CorpusJob
from ..hook_calls import call_hook
from ..stand_in_scheduler import StandIn, record_of
from .pipeline_jobs import HEADS, TOKEN, WORDS, AddJob, status

pytestmark = pytest.mark.usefixtures("quickly")

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
OTHER = "1" * 12


def as_text(text: str) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(text.encode(errors="surrogateescape")) and None


def as_pipe(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def as_sparse(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(3 << 30)


def as_link(file: Path) -> None:
    secret = file.with_name("secret")
    secret.write_text(json.dumps({"token": TOKEN, "job_id": "17"}))
    file.unlink(missing_ok=True)
    file.symlink_to(secret)


WRONG: dict[str, Callable[[Path], None]] = {
    "a list": as_text("[1, 2]"),
    "null": as_text("null"),
    "nested deeply": as_text("[" * 200_000),
    "an object nested deeply": as_text('{"a":' * 5000 + "1" + "}" * 5000),
    "a number of 5,000 digits": as_text('{"pid": ' + "1" * 5000 + "}"),
    "no number": as_text('{"nproc": NaN}'),
    "a key twice": as_text(f'{{"token": "{TOKEN}", "token": "../../x"}}'),
    "UTF-16": lambda file: file.write_bytes('{"job_id": "17"}'.encode("utf-16")) and None,
    "an unfinished file": as_text('{"job_id": "17",'),
    "no text": lambda file: file.write_bytes(bytes(range(256))) and None,
    "a pipe": as_pipe,
    "a folder": lambda file: (file.unlink(missing_ok=True), file.mkdir())[1],
    "3 GB without content": as_sparse,
    "a link": as_link,
    "a link to nothing": lambda file: (file.unlink(), file.symlink_to("nowhere"))[1],
}
WRONG_KEYS: dict[str, dict[str, Any]] = {
    "a token that leads elsewhere": {"token": "../../x"},
    "a token of another length": {"token": "0123"},
    "a token that is a number": {"token": 123456789012},
    "an option for an id": {"job_id": "--user=someone"},
    "an id with a blank": {"job_id": "17 18"},
    "an id that is a list": {"job_id": ["17"]},
    "an id of 5,000 digits": {"job_id": "1" * 5000},
    "a process that leads elsewhere": {"pid": "../../../etc"},
    "a large process id": {"pid": 10**30},
    "a negative process id": {"pid": -1},
    "ranks that are true": {"nproc": True},
    "an endless number of GPUs": {"ngpu": 1e999},
    "a machine that is an object": {"host": {}},
    "a relative project": {"project": "../elsewhere"},
    "a project with a zero byte": {"project": "/tmp/\0"},
    "a project with a lone surrogate": {"project": "/tmp/\ud800"},
    "an image that is a text": {"image": "relion"},
    "a version that is a list": {"image": {"name": "relion", "version": []}},
    "a refusal that is a number": {"refused": 1},
    "an end that is a text": {"run": "SUCCESS"},
    "a reason that is a list": {"run": {"reason": []}},
    "a watcher that is a number": {"watcher": 3},
}


@pytest.fixture
def two_jobs(slurm: StandIn, add_job: AddJob) -> Path:
    """Two jobs that run; the folder of the first, whose record the tests change."""
    folder = add_job()
    add_job("Class2D/job020", token=OTHER, job_id="18")
    slurm.has("17", "RUNNING", TOKEN)
    slurm.has("18", "RUNNING", OTHER)
    return folder


def assert_named_and_the_other_shown(
    capsys: pytest.CaptureFixture[str], folder: Path, file: Path
) -> None:
    """By ``status`` and ``watch`` in one line each; RELION is told nothing of the job."""
    wrong, right = status(capsys)
    assert str(file) in wrong["reason"]
    assert "\n" not in wrong["reason"]
    assert (right["state"], right["job_id"], right["reason"]) == ("RUNNING", "18", None)
    assert main(["status"]) == 0
    assert str(file) in capsys.readouterr().out
    assert main(["watch", "--once"]) == 0
    watched = capsys.readouterr()
    assert watched.err.count(str(file)) == 1
    assert len(watched.err.splitlines()) == 1
    assert not list(folder.glob("RELION_JOB_EXIT_*"))


@pytest.mark.parametrize(
    "name",
    [
        *("../../outside", "/tmp/job001", "../Class2D/job001", "Class2D/../../x/job001", ".."),
        *(".hidden/job001", "./job001", "Class2D", "Class2D/job1", "Class2D/job001/sub"),
        *(f"{ESCAPES}/job001", f"{'x' * 300}/job001"),
    ],
)
def test_what_cannot_be_a_job_of_the_project_is_named_and_not_looked_into(
    name: str, two_jobs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project / "default_pipeline.star").open("a") as stream:
        stream.write(f"'{name}/' None relion.class2d Running\n" * 1000)

    assert [row["job"] for row in status(capsys)] == ["Refine3D/job019", "Class2D/job020"]
    assert main(["status"]) == 0
    printed = capsys.readouterr()
    (warning,) = printed.err.splitlines()
    assert "lists names that cannot be jobs of this project (1)" in warning
    assert "\x1b" not in printed.out + printed.err
    assert main(["watch", "--once"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_job_that_is_listed_many_times_is_one(
    two_jobs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project / "default_pipeline.star").open("a") as stream:
        stream.write("Refine3D/job019/ None relion.refine3d Failed\n" * 100_000)

    assert [row["relion"] for row in status(capsys)] == ["Running", "Running"]


@pytest.mark.parametrize("wrong", list(WRONG))
def test_a_file_that_is_no_record_is_named(
    wrong: str, two_jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    WRONG[wrong](two_jobs / "dispatch.json")

    assert_named_and_the_other_shown(capsys, two_jobs, two_jobs / "dispatch.json")
    assert main(["cancel", "Refine3D/job019"]) == 1
    assert f"{two_jobs / 'dispatch.json'}" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", list(WRONG_KEYS))
def test_an_entry_of_another_form_is_named(
    wrong: str, two_jobs: Path, slurm: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    file = two_jobs / "dispatch.json"
    file.write_text(json.dumps({**record_of(two_jobs), **WRONG_KEYS[wrong]}))

    assert_named_and_the_other_shown(capsys, two_jobs, file)
    says = {
        "an endless number of GPUs": "Infinity",
        "a version that is a list": '"version"',
        "a reason that is a list": '"reason"',
    }
    assert says.get(wrong, f'"{next(iter(WRONG_KEYS[wrong]))}"') in status(capsys)[0]["reason"]
    assert slurm.calls("scancel") == []


@pytest.mark.parametrize("note", [f".dispatch_watcher.{TOKEN}", f".dispatch_id.{TOKEN}"])
@pytest.mark.parametrize("wrong", ["a pipe", "3 GB without content", "a link", "an option"])
def test_a_wrong_note_is_named_and_not_used(
    wrong: str, note: str, two_jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = two_jobs / "dispatch.json"
    record.write_text(json.dumps({**record_of(two_jobs), "job_id": None}))
    {**WRONG, "an option": as_text("--help\n")}[wrong](two_jobs / note)

    assert_named_and_the_other_shown(capsys, two_jobs, two_jobs / note)
    assert status(capsys)[0]["job_id"] == "17", "the queue tells it"


@pytest.mark.parametrize("wrong", ["a pipe", "3 GB without content", "a link", "a folder", "an id"])
def test_a_wrong_account_of_the_run_is_named_and_not_used(
    wrong: str, two_jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = two_jobs / f"dispatch.run.{TOKEN}"
    text = f"token {TOKEN}\nending FAILURE\nscheduler_job_id -1\n"
    {**WRONG, "an id": as_text(text)}[wrong](account)

    assert_named_and_the_other_shown(capsys, two_jobs, account)


def test_numbers_of_an_account_are_bounded(
    two_jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = "9" * 5000
    (two_jobs / f"dispatch.run.{TOKEN}").write_text(
        f"token {TOKEN}\nending FAILURE\nexit_status {digits}\nstarted 0001-01-01T00:00:00\n"
        f"ended 9999-12-31T23:59:59+00:00\ngpu n u {digits} ٣ -0 ² {digits}\n"
    )

    row = status(capsys)[0]

    run = record_of(two_jobs)["run"]
    assert run["exit_status"] is None
    assert {each for each in run["gpus"][0].values() if isinstance(each, int)} <= {0}
    assert row["seconds"] is None


def test_a_claim_that_names_an_option_is_not_used(
    two_jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = two_jobs / "dispatch.json"
    record.write_text(json.dumps({**record_of(two_jobs), "job_id": None}))
    claim = two_jobs / f".dispatch_claim.{TOKEN}"
    claim.symlink_to("gpu1, process 7, job --help")

    assert_named_and_the_other_shown(capsys, two_jobs, claim)


@pytest.mark.parametrize("wrong", ["a pipe", "3 GB without content", "a link", "a list"])
def test_what_is_no_note_of_a_hook_names_no_process(
    wrong: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(record=False)
    WRONG[wrong](folder / ".dispatch_hook")

    status(capsys)


def test_status_cancels_no_job_that_only_has_the_id_of_a_strangers_record(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a project from elsewhere, whose record names the id of a job of this user's."""
    folder = add_job(status="Failed", refused="It was given up.")
    (folder / "RELION_JOB_EXIT_FAILURE").touch()
    aborted = add_job("Class2D/job020", token=OTHER, job_id="18")
    (aborted / "RELION_JOB_ABORT_NOW").touch()
    add_job("Class2D/job021", token="2" * 12, job_id="19")
    slurm.queue.write_text("".join(f"{n}|PENDING|n|None|0:07|interactive\n" for n in (17, 18, 19)))

    assert main(["watch", "--once"]) == 0
    assert main(["cancel", "Class2D/job021"]) == 1

    assert "may be another job" in capsys.readouterr().err
    assert slurm.calls("scancel") == []


STRANGERS: dict[str, dict[str, Any]] = {
    "without a seal": {"seal": None},
    "with a seal of another's key": {"seal": "0" * 64},
    "with a seal that is no seal": {"seal": "é" * 9},
}


@pytest.mark.parametrize("record", [*STRANGERS, "copied from another place", "of another job"])
@pytest.mark.parametrize("marks", [True, False])
def test_nothing_is_done_in_the_scheduler_for_a_record_that_the_users_own_hook_did_not_write(
    record: str, marks: bool, slurm: StandIn, add_job: AddJob, project: Path, site: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The token and the id are those of the user's own job in another project."""
    place = slurm.folder.with_name("watched")
    script = "#!/bin/bash\ntouch canary\n"
    slurm = StandIn(place, site, watcher={"submit_command": [str(place / "sbatch")]},
                    **({} if marks else {"mark": []}))  # fmt: skip
    slurm.has("17", "PENDING", TOKEN if marks else "")
    seals = {
        "copied from another place": seal(
            Sealed(project.parent, "Refine3D/job001", TOKEN, text_digest(script))
        ),
        "of another job": seal(Sealed(project, "Refine3D/job009", TOKEN, text_digest(script))),
    }
    keys = {"seal": seals.get(record), **STRANGERS.get(record, {})}
    keys["watcher_script"] = text_digest(script)
    given_up = add_job("Refine3D/job001", status="Failed", refused="It was given up.", **keys)
    (given_up / "RELION_JOB_EXIT_FAILURE").touch()
    aborted = add_job("Refine3D/job002", **keys)
    (aborted / "RELION_JOB_ABORT_NOW").touch()
    unwatched = add_job("Refine3D/job003", **keys)
    (unwatched / "run_submit.script.watch").write_text(script)

    assert main(["watch", "--once"]) == 0
    rows = status(capsys)
    assert main(["cancel", "Refine3D/job003"]) == 1

    assert "may be another job" in capsys.readouterr().err
    assert [row["relion"] for row in rows] == ["Failed", "Running", "Running"]
    assert slurm.calls("scancel") == slurm.calls("sbatch") == []


@pytest.mark.usefixtures("images")
def test_a_job_of_the_users_own_hook_is_cancelled(
    slurm: StandIn, corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the project is reached through a link, but not where the project is copied to."""
    slurm.submits("take 17 PENDING; echo 17")
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    project, name = script.parents[2], f"{script.parent.parent.name}/{script.parent.name}"
    (project / "default_pipeline.star").write_text(
        f"{HEADS}{WORDS}{name}/ None relion.postprocess Running\n"
    )
    assert call_hook(script).returncode == 0
    copied = project.parent / "copy"
    shutil.copytree(project, copied, symlinks=True)
    shutil.rmtree(copied / "slurm", ignore_errors=True)
    (project.parent / "linked").symlink_to(project)

    monkeypatch.chdir(copied)
    assert main(["cancel", name]) == 1
    assert slurm.calls("scancel") == []

    monkeypatch.chdir(project.parent / "linked")
    assert main(["cancel", name]) == 0
    assert slurm.calls("scancel") == ["17"]


@pytest.mark.usefixtures("images")
def test_a_second_call_submits_nothing_if_the_first_ones_record_cannot_be_read(
    slurm: StandIn, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    assert call_hook(script).returncode == 0
    (script.parent / "dispatch.json").write_text('{"job_id":')

    second = call_hook(script)

    assert second.returncode == 0
    assert "nobody can tell whether PostProcess/job016 was submitted" in second.stderr
    assert len(slurm.calls("sbatch")) == 1
    assert not list(script.parent.glob("RELION_JOB_EXIT_*"))


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    "wrong", ["a pipe", "3 GB without content", "a link", "a list", "an empty record"]
)
def test_a_file_in_the_place_of_the_first_record_stops_no_job(
    wrong: str, slurm: StandIn, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    {**WRONG, "an empty record": as_text("{}")}[wrong](script.parent / "dispatch.json")

    assert call_hook(script).returncode == 0

    assert len(slurm.calls("sbatch")) == 1
    assert record_of(script.parent)["job_id"] == "17"


def test_a_link_that_leads_to_no_possible_name_is_no_traceback(
    two_jobs: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = project / "default_pipeline.star"
    pipeline.unlink()
    pipeline.symlink_to("x" * 300)

    assert main(["status"]) == 1

    (sentence,) = capsys.readouterr().err.splitlines()
    assert "File name too long" in sentence or "not a RELION project" in sentence
