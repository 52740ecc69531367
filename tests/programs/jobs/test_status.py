"""``relion-dispatch status`` on projects with jobs in every state.

The queue is a stand-in; tests/system/test_status.py has real jobs in a real Slurm.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dispatcher.cli import main
from dispatcher.jobs.last_lines import last_sentence
from dispatcher.jobs.progress import iteration_reached
from dispatcher.relion.pipeline import Process, read_processes

from ..stand_in_scheduler import StandIn
from .pipeline_jobs import (
    HEADS,
    NUMBERS,
    TOKEN,
    WORDS,
    AddJob,
    status,
)

pytestmark = pytest.mark.usefixtures("quickly")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (WORDS, ["Running", "Scheduled", "Succeeded", "Failed", "Aborted"]),
        (NUMBERS, ["0", "1", "2", "3", "4"]),
    ],
    ids=["4.0 and newer", "3.1"],
)
def test_relions_states(labels: str, words: list[str], project: Path) -> None:
    rows = [f"Class2D/job00{at}/ None x {word} \n" for at, word in enumerate(words)]
    (project / "default_pipeline.star").write_text(HEADS + labels + "".join(rows))

    assert read_processes(project) == tuple(
        Process(f"Class2D/job00{at}", state)
        for at, state in enumerate(["Running", "Scheduled", "Succeeded", "Failed", "Aborted"])
    )


def test_a_pipeline_that_is_being_written_is_read_again(project: Path) -> None:
    pipeline = project / "default_pipeline.star"
    pipeline.write_text(HEADS + WORDS + "Class2D/job001/ None")
    whole = HEADS + WORDS + "Class2D/job001/ None relion.class2d Running\n"
    threading.Timer(0.3, pipeline.write_text, [whole]).start()

    assert read_processes(project) == (Process("Class2D/job001", "Running"),)


def test_a_running_job(slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]) -> None:
    folder = add_job()
    slurm.has("17", "RUNNING", TOKEN)
    for name in ("run_it011_data.star", "run_ct9_it012_data.star", "run_it3_x.star", "run.out"):
        (folder / name).touch()

    assert status(capsys) == [
        {
            "job": "Refine3D/job019",
            "relion": "Running",
            "scheduler": "slurm",
            "state": "RUNNING",
            "job_id": "17",
            "cluster": None,
            "node": "node1",
            "nproc": 9,
            "ngpu": 4,
            "image": "relion 5.1.0",
            "iteration": 12,
            "iterations": None,
            "minutes_per_iteration": None,
            "expected_end": None,
            "dispatched": "2024-05-01T10:00:00+00:00",
            "run_time": "0:07",
            "seconds": None,
            "reason": None,
            "waits_for": None,
            "waiting_since": None,
            "next_run": None,
            "runs": [],
        }
    ]
    assert main(["status"]) == 0
    heads, row = capsys.readouterr().out.splitlines()
    assert heads.split()[:3] == ["job", "RELION", "state"]
    cells = "Refine3D/job019 Running RUNNING 17 node1 9 x 4 relion 5.1.0 12 0:07 -"
    assert " ".join(row.split()) == cells
    assert not list(folder.glob("RELION_JOB_EXIT_*"))


def test_jobs_that_have_ended_are_told_by_their_files(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """RELION has not looked yet, and nobody asks the queue."""
    run = {
        "started": "2024-05-01T10:00:10+00:00",
        "ended": "2024-05-01T10:01:20+00:00",
        "host": "node7",
        "reason": "The disk is full.",
    }
    failed = add_job("Class3D/job001", run=run)
    (failed / "RELION_JOB_EXIT_FAILURE").touch()
    done = add_job("Class3D/job002")
    (done / "RELION_JOB_EXIT_SUCCESS").touch()
    os.utime(done / "RELION_JOB_EXIT_SUCCESS", (1714557660, 1714557660))
    aborted = add_job("Class3D/job003", status="Aborted")
    os.utime(aborted / "dispatch.json", (1, 1))  # as in a project that was copied
    (aborted / "run.err").write_text("x\nrelion-dispatch: first\nrelion-dispatch: last\nnoise\n")
    add_job("Import/job004", status="Succeeded", record=False)

    rows = {row["job"]: row for row in status(capsys)}

    assert {name: row["relion"] for name, row in rows.items()} == {
        "Class3D/job001": "Failed",
        "Class3D/job002": "Succeeded",
        "Class3D/job003": "Aborted",
        "Import/job004": "Succeeded",
    }
    assert rows["Class3D/job001"]["reason"] == "The disk is full."
    assert (rows["Class3D/job001"]["seconds"], rows["Class3D/job001"]["node"]) == (70, "node7")
    assert rows["Class3D/job002"]["seconds"] == 60
    assert rows["Class3D/job003"]["reason"] == "last"
    assert rows["Import/job004"]["nproc"] is None
    assert slurm.calls("squeue") == []


@pytest.mark.parametrize(
    ("reason", "since", "says"),
    [
        ("Resources", "", "what it asks for is in use by other jobs: it starts by itself"),
        ("OurOwnRule", "2024-05-02T09:00:00", None),
    ],
)
def test_a_waiting_job_tells_what_it_waits_for_and_since_when(
    reason: str, since: str, says: str | None, slurm: StandIn, add_job: AddJob,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    add_job()
    slurm.has("17", "PENDING", TOKEN, reason, since)
    begin = datetime.fromisoformat(since).astimezone(UTC).isoformat() if since else None

    (row,) = status(capsys)

    assert (row["state"], row["reason"]) == ("PENDING", reason)
    assert row["waiting_since"] == (begin or "2024-05-01T10:00:00+00:00")
    assert row["iteration"] is None
    if says:
        assert row["waits_for"].startswith(says)
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert f"({reason})" in shown if says else f"): {reason}" in shown
    assert "waits since " in shown


def test_what_runs_comes_first_and_of_what_has_ended_the_last(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(15):
        folder = add_job(f"Class3D/job{number:03}", status="Succeeded", token=f"{number:012}")
        (folder / "RELION_JOB_EXIT_SUCCESS").touch()
        os.utime(folder / "RELION_JOB_EXIT_SUCCESS", (1714557660 + 60 * number,) * 2)
    os.utime(folder.with_name("job003") / "RELION_JOB_EXIT_SUCCESS")  # continued just now
    add_job("Class3D/job020", status="Scheduled", record=False)
    add_job("Class3D/job021")
    slurm.has("17", "PENDING", TOKEN, "Priority")
    add_job("Class3D/job022", token="1" * 12, job_id="18")
    slurm.has("18", "RUNNING", "1" * 12)

    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main(["status", "--all"]) == 0
    everything = capsys.readouterr().out.splitlines()

    numbers = [line[:14] for line in lines if line.startswith("Class3D")]
    assert numbers[:5] == [f"Class3D/job{each:03}" for each in (22, 21, 20, 3, 14)]
    assert len(numbers) == 13
    assert lines[-1] == (
        "5 more jobs: 5 succeeded. `relion-dispatch status --all` shows all of them."
    )
    assert len([line for line in everything if line.startswith("Class3D")]) == 18
    assert "more job" not in everything[-1]
    assert [row["job"] for row in status(capsys)][:2] == ["Class3D/job000", "Class3D/job001"]


def test_the_records_of_jobs_that_ended_long_ago_are_not_read(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(15):
        folder = add_job(f"Class3D/job{number:03}", status="Succeeded", token=f"{number:012}")
        (folder / "RELION_JOB_EXIT_SUCCESS").touch()
        os.utime(folder / "RELION_JOB_EXIT_SUCCESS", (1714557660 + 60 * number,) * 2)
    (folder.with_name("job000") / "dispatch.json").write_text("no record")

    assert main(["status"]) == 0
    assert "is not a record" not in capsys.readouterr().out
    assert main(["status", "--all"]) == 0
    assert "is not a record" in capsys.readouterr().out


@pytest.mark.parametrize("state", ["", "NODE_FAIL"])
def test_a_lost_job_is_told_to_relion(
    state: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    if state:
        slurm.has("17", state, TOKEN)
    recorded = Path(__file__).parents[2] / "data" / "slurm" / "node_fail.txt"
    slurm.says_of_ends(f"cat '{recorded}'")

    (row,) = status(capsys)

    assert row["relion"] == "Failed"
    assert "its node was lost" in row["reason"]
    assert "NodeList=gpu2" in (folder / "run.err").read_text()
    assert (folder / "RELION_JOB_EXIT_FAILURE").exists()
    assert slurm.calls("scontrol") == ["17"]
    assert (folder / f".dispatch_claim.{TOKEN}").is_symlink()


@pytest.mark.parametrize(
    ("own_template", "why"),
    [
        (False, "its script could not write to the job's folder"),
        (True, "its script, of the site's own template, ended without telling RELION how"),
    ],
)
def test_a_job_of_a_sites_own_template_is_not_told_as_a_full_disk(
    own_template: bool,
    why: str,
    slurm: StandIn,
    add_job: AddJob,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_job(own_template=own_template)
    slurm.says_of_ends("echo 'JobId=17 JobState=COMPLETED ExitCode=0:0'")

    (row,) = status(capsys)

    assert why in row["reason"]


@pytest.mark.parametrize(
    "case",
    ["runs", "no answer", "another user", "another scheduler", "ends meanwhile", "no record yet"],
)
def test_a_job_that_may_be_there_is_left_alone(
    case: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = add_job(
        record=case != "no record yet", scheduler="lsf" if case == "another scheduler" else "slurm"
    )
    if case == "runs":
        slurm.has("17", "COMPLETING", TOKEN)
    elif case == "no answer":
        slurm.queue_answers("exit 1")
    elif case == "another user":
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    elif case == "ends meanwhile":
        slurm.queue_answers(f"touch '{folder}/RELION_JOB_EXIT_SUCCESS'")

    (row,) = status(capsys)

    assert row["relion"] == ("Succeeded" if case == "ends meanwhile" else "Running")
    assert not (folder / "run.err").exists()
    assert not (folder / "RELION_JOB_EXIT_FAILURE").exists()


def test_a_scheduler_that_does_not_answer_is_named(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    add_job()
    slurm.queue_answers("exit 1")

    assert main(["status"]) == 0

    assert "The scheduler slurm does not answer now" in capsys.readouterr().out


def test_a_local_job_of_another_machine_is_left_to_that_machine(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(scheduler="local", host="gpu7")

    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert main(["cancel", "Refine3D/job019"]) == 1
    said = capsys.readouterr().err

    assert "Jobs on gpu7 can only be seen there" in shown
    assert "does not answer" not in shown
    assert "runs on gpu7: cancel the job there" in said
    assert not (folder / "RELION_JOB_ABORT_NOW").exists()
    assert not list(folder.glob("RELION_JOB_EXIT_*"))


def test_an_aborted_job_that_is_gone_is_aborted(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job()
    (folder / "RELION_JOB_ABORT_NOW").touch()

    (row,) = status(capsys)

    assert row["relion"] == "Aborted"
    assert (folder / "RELION_JOB_EXIT_ABORTED").exists()


def test_a_refused_job_that_is_in_the_queue_after_all_is_cancelled(
    slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_job(status="Failed", job_id=None, refused="It was given up.")
    (folder / "RELION_JOB_EXIT_FAILURE").touch()
    slurm.has("23", "PENDING", TOKEN)

    status(capsys)

    assert slurm.calls("scancel") == ["23"]


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("Refine3D/job109", 'did you mean "Refine3D/job019"'),
        ("ended", "is not running"),
        ("not ours", "relion-dispatch did not submit"),
        ("another user", "to cancel the job"),
        ("no answer", "does not answer"),
        ("refused", "said: no permission"),
    ],
)
def test_what_cannot_be_cancelled(
    case: str, says: str, slurm: StandIn, add_job: AddJob, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = add_job(
        status="Succeeded" if case == "ended" else "Running", record=case != "not ours"
    )
    slurm.has("17", "RUNNING", TOKEN)
    if case == "another user":
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    elif case == "no answer":
        slurm.queue_answers("exit 1")
    elif case == "refused":
        slurm.does("scancel", "echo no permission >&2; exit 1")

    assert main(["cancel", case if case.startswith("Refine") else "Refine3D/job019"]) == 1

    assert says in capsys.readouterr().err
    assert not list(folder.glob("RELION_JOB_EXIT_*"))


@pytest.mark.parametrize("command", [["status"], ["cancel", "x"], ["watch", "--once"]])
def test_they_belong_into_a_project(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)

    assert main(command) == 1

    assert "is not a RELION project" in capsys.readouterr().err


def test_an_empty_folder_has_no_iteration_and_no_sentence(tmp_path: Path) -> None:
    assert iteration_reached(tmp_path) is None
    assert iteration_reached(tmp_path / "nowhere") is None
    assert last_sentence(tmp_path / "run.err") is None
